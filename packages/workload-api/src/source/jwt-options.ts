import type { SetTimer } from '@fastify-spiffe/spiffe'
import { setReferencedTimer } from '@fastify-spiffe/spiffe/internal'

import { reader } from '../options.ts'
import type { WorkloadApiError } from '../errors.ts'
import type { BackoffOptions } from '../watch/retry-policy.ts'

/** Options of `JwtSource.open`. */
export interface JwtSourceOptions {
  /** Where the Workload API is; default `SPIFFE_ENDPOINT_SOCKET`. */
  readonly address?: string
  /** The longest wait for the first JWT bundles, in milliseconds; default 30,000. */
  readonly timeoutMs?: number
  /** Ends the wait for the first JWT bundles. It has no effect on the open source. Default: none. */
  readonly signal?: AbortSignal
  /** How many identities and audiences have their tokens kept; 1 to 100,000, default 1,000. */
  readonly maxCachedTokens?: number
  /**
   * The waits between the attempts to reach the Workload API.
   * Default: those of {@link BackoffOptions}.
   */
  readonly backoff?: BackoffOptions
  /**
   * Called with what keeps the source from being ready: each code once until it is ready again. The
   * message says the cure. It must not throw. Default: `process.emitWarning` while the source opens,
   * and nothing later: it is on `node:diagnostics_channel`.
   */
  readonly onProblem?: (problem: WorkloadApiError) => void
  /** The time in milliseconds since the epoch; default `Date.now`. */
  readonly clock?: () => number
  /** A number from 0 to 1, for the jitter; default `Math.random`. */
  readonly random?: () => number
  /** Sets the timers of calls for tokens, for tests. Default: timers of Node that keep the process alive. */
  readonly setTimer?: SetTimer
}

const NAMES = [
  'address',
  'timeoutMs',
  'signal',
  'maxCachedTokens',
  'backoff',
  'onProblem',
  'clock',
  'random',
  'setTimer',
]

/** @throws {@link WorkloadApiError} `unknown-option`, `invalid-option` */
export function readJwtSourceOptions(
  options: JwtSourceOptions,
): Required<Pick<JwtSourceOptions, 'clock' | 'maxCachedTokens' | 'random' | 'setTimer'>> {
  reader.assertKnown('JwtSource.open', options, NAMES)
  reader.asFunction('onProblem', options.onProblem, () => {})
  return {
    clock: reader.asFunction('clock', options.clock, Date.now),
    random: reader.asFunction('random', options.random, Math.random),
    setTimer: reader.asFunction('setTimer', options.setTimer, setReferencedTimer),
    maxCachedTokens: reader.asInteger('maxCachedTokens', options.maxCachedTokens, {
      min: 1,
      max: 100_000,
      defaultValue: 1_000,
    }),
  }
}
