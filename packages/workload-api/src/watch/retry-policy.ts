import { MAX_TIMER_MS } from '@fastify-spiffe/spiffe/internal'

import type { WorkloadApiError } from '../errors.ts'
import { reader } from '../options.ts'
import { Backoff } from './backoff.ts'
import type { BackoffBounds } from './backoff.ts'

/** How long to wait before a failed call is made again. All in milliseconds. */
export interface BackoffOptions {
  /** The shortest wait after a failure, in ms; at least 50, default 100. */
  readonly initialMs?: number
  /** The longest wait after a failure of the endpoint, in ms; default 1,500. */
  readonly maxMs?: number
  /** The shortest wait after `PermissionDenied`, in ms; at least 50, default 1,000. */
  readonly deniedInitialMs?: number
  /** The longest wait after `PermissionDenied`, in ms; default 10,000. */
  readonly deniedMaxMs?: number
}

/** At most twenty calls a second, to spare the agent. */
const SHORTEST_MS = 50

/** A socket without a listener is cheap to try, so a returned agent is found soon. */
const UNREACHABLE_MAX_MS = 500

/**
 * The waits between the calls of one watch. Each kind of failure has its own backoff: the length of an
 * outage says nothing about an agent that has come back and is still busy.
 */
export class RetryPolicy {
  /** The waits after failures of the endpoint. */
  readonly bounds: BackoffBounds
  readonly #unreachable: Backoff
  readonly #unavailable: Backoff
  readonly #denied: Backoff

  /** @throws {@link WorkloadApiError} `unknown-option`, `invalid-option` */
  constructor(options: BackoffOptions = {}, random: () => number = Math.random) {
    const { initialMs, maxMs, deniedInitialMs, deniedMaxMs } = readBackoff(options)
    const unreachableMaxMs = Math.min(maxMs, Math.max(UNREACHABLE_MAX_MS, initialMs))
    this.bounds = { initialMs, maxMs }
    this.#unreachable = new Backoff({ initialMs, maxMs: unreachableMaxMs }, random)
    this.#unavailable = new Backoff({ initialMs, maxMs }, random)
    this.#denied = new Backoff({ initialMs: deniedInitialMs, maxMs: deniedMaxMs }, random)
  }

  /** The wait after a failed call, or after a stream that ended without a good message. */
  afterFailure(error: WorkloadApiError | null): number {
    const code = error?.code
    if (code === 'unreachable') return this.#unreachable.next()
    // Only an operator can change these: an entry is missing, or the socket is the wrong one.
    if (code === 'no-identity' || code === 'unimplemented') return this.#denied.next()
    return this.#unavailable.next()
  }

  /** The wait after a stream that ended cleanly: none, unless it lived too briefly. */
  afterCleanEnd(livedMs: number): number {
    return Math.max(0, this.bounds.initialMs - livedMs)
  }

  /** Starts over, as after a good message. */
  reset(): void {
    for (const backoff of [this.#unreachable, this.#unavailable, this.#denied]) backoff.reset()
  }
}

function readBackoff(options: BackoffOptions): Required<BackoffOptions> {
  reader.assertKnown('backoff', options, ['initialMs', 'maxMs', 'deniedInitialMs', 'deniedMaxMs'])
  const { initialMs = 100, maxMs = 1_500, deniedInitialMs = 1_000, deniedMaxMs = 10_000 } = options
  const read = (name: keyof BackoffOptions, value: number, min: number): number =>
    reader.asDuration(`backoff.${name}`, value, { min, max: MAX_TIMER_MS })
  return {
    initialMs: read('initialMs', initialMs, SHORTEST_MS),
    maxMs: read('maxMs', maxMs, initialMs),
    deniedInitialMs: read('deniedInitialMs', deniedInitialMs, SHORTEST_MS),
    deniedMaxMs: read('deniedMaxMs', deniedMaxMs, deniedInitialMs),
  }
}
