import { assertKnown, asDuration, refuse } from '../option-readers.ts'
import type { InvalidationBus } from './bus.ts'

/** How the replicas of a service keep their caches in step. */
export interface ReplicasOptions {
  /** Carries the messages between the replicas. */
  readonly bus: InvalidationBus
  /** Signs messages; known only to the replicas; at least 16 characters. */
  readonly secret: string
  /**
   * How often each replica publishes its state, in milliseconds. Default 5000, or a third of
   * `maxStaleMs` if that is less.
   */
  readonly heartbeatMs?: number
  /**
   * How long the bus may be out of touch before the cache is not used any more, in milliseconds.
   * Default 60 000.
   */
  readonly maxStaleMs?: number
}

/** The options, checked and complete. */
export type ReplicasSettings = Required<ReplicasOptions>

const MIN_SECRET_LENGTH = 16
const HEARTBEAT_MS = 5000

/**
 * The option `replicas`.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function readReplicas(options: ReplicasOptions): ReplicasSettings {
  if (typeof options !== 'object' || options === null) {
    return refuse('replicas', options, 'must be an object')
  }
  assertKnown('replicas', options, ['bus', 'secret', 'heartbeatMs', 'maxStaleMs'])
  const { bus, secret } = options
  if (!isBus(bus)) {
    const why = 'must be an invalidation bus, with `name`, `publish` and `subscribe`'
    return refuse('replicas.bus', bus, why)
  }
  if (typeof secret !== 'string' || secret.length < MIN_SECRET_LENGTH) {
    return refuse('replicas.secret', secret, `must have ${MIN_SECRET_LENGTH} characters or more`)
  }
  const maxStaleMs = asDuration('replicas.maxStaleMs', options.maxStaleMs, 60_000)
  const heartbeatMs = Math.min(HEARTBEAT_MS, Math.ceil(maxStaleMs / 3))
  return {
    bus,
    secret,
    heartbeatMs: asDuration('replicas.heartbeatMs', options.heartbeatMs, heartbeatMs),
    maxStaleMs,
  }
}

function isBus(bus: Partial<InvalidationBus> | null | undefined): boolean {
  if (typeof bus !== 'object' || bus === null) return false
  const { name, publish, subscribe } = bus
  if (typeof name !== 'string' || name === '') return false
  return typeof publish === 'function' && typeof subscribe === 'function'
}
