import type { WorkloadApiError } from '../errors.ts'
import { reader } from '../options.ts'
import type { BackoffOptions } from '../watch/retry-policy.ts'
import type { X509SvidPick } from './pick.ts'

/** Options of `X509Source.open`. */
export interface X509SourceOptions {
  /** Where the Workload API is; default `SPIFFE_ENDPOINT_SOCKET`. */
  readonly address?: string
  /** The longest wait for the first SVID, in milliseconds; default 30,000. */
  readonly timeoutMs?: number
  /** Ends the wait for the first SVID. It has no effect on the open source. Default: none. */
  readonly signal?: AbortSignal
  /** Which SVID to present when there are several; default the first. */
  readonly pick?: X509SvidPick
  /**
   * The waits between the attempts to reach the Workload API.
   * Default: those of {@link BackoffOptions}.
   */
  readonly backoff?: BackoffOptions
  /**
   * Called with what keeps the source from being ready: each code once until it is ready again. The
   * message says the cure. It must not throw. Default: `process.emitWarning` while the source opens,
   * and nothing later, because the plugin `svid` logs it, from `node:diagnostics_channel`.
   */
  readonly onProblem?: (problem: WorkloadApiError) => void
  /** The time in milliseconds since the epoch; default `Date.now`. */
  readonly clock?: () => number
  /** A number from 0 to 1, for the jitter; default `Math.random`. */
  readonly random?: () => number
}

const NAMES = ['address', 'timeoutMs', 'signal', 'pick', 'backoff', 'onProblem', 'clock', 'random']

/** @throws {@link WorkloadApiError} `unknown-option`, `invalid-option` */
export function checkX509SourceOptions(options: X509SourceOptions): void {
  reader.assertKnown('X509Source.open', options, NAMES)
  reader.asFunction('onProblem', options.onProblem, () => {})
}
