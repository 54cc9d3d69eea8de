import { checkKeys, duration, refuse } from '../options/check.ts'
import type { InvalidationBus } from './bus.ts'

/** How the replicas of a service keep their caches in step. */
export interface ReplicasOptions {
  readonly bus: InvalidationBus
  /** Known to all replicas and to nobody else, at least 16 characters: notices are authenticated by it. */
  readonly secret: string
  /** How often what the bus stores is read, in milliseconds. Default 5000. */
  readonly heartbeatMs?: number
  /** For how long the bus may be out of reach before nothing that is remembered is used, in milliseconds. Default 60 000. */
  readonly maxStaleMs?: number
}

/** The options, checked and complete. */
export type ReplicasSettings = Required<ReplicasOptions>

const MIN_SECRET_LENGTH = 16

/**
 * The option `replicas`.
 *
 * @throws {AuthzError} `unknown-option`, `invalid-option`
 */
export function readReplicas(options: ReplicasOptions): ReplicasSettings {
  if (typeof options !== 'object' || options === null) {
    return refuse('replicas', options, 'must be an object')
  }
  checkKeys('replicas.', options, ['bus', 'secret', 'heartbeatMs', 'maxStaleMs'])
  const { bus, secret } = options
  if (typeof bus !== 'object' || bus === null || typeof bus.publish !== 'function') {
    return refuse('replicas.bus', bus, 'must be an invalidation bus')
  }
  if (typeof secret !== 'string' || secret.length < MIN_SECRET_LENGTH) {
    return refuse('replicas.secret', secret, `must have ${MIN_SECRET_LENGTH} characters or more`)
  }
  return {
    bus,
    secret,
    heartbeatMs: duration('replicas.heartbeatMs', options.heartbeatMs, 5000),
    maxStaleMs: duration('replicas.maxStaleMs', options.maxStaleMs, 60_000),
  }
}
