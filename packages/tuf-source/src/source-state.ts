import type { SourceState } from '@fastify-spiffe/spiffe'
import { isNetworkFault, type TufError } from './errors.ts'
import type { TufFailure } from './status.ts'

/** From so many on, refreshes that nobody answered count as an interruption. */
const MANY_FAILURES = 3

/** What the state of a source follows from. */
export interface StateInput {
  readonly isClosed: boolean
  readonly isExpired: boolean
  readonly verifiedAt: number | null
  readonly now: number
  readonly timestampSince: number
  readonly timestampExpiresAt: number | null
  readonly isTargetFailing: boolean
  readonly isClockSetBack: boolean
}

/** The failures of a source, and what follows from them. */
export class Failures {
  /** How many refreshes have failed since the last one that did not. */
  count = 0
  /** How many of the last ones in a row were faults of the network. */
  network = 0
  last: TufFailure | null = null
  /** Whether the last failure is about more than the network, and still holds. */
  #isSerious = false

  /** Notes that a refresh failed. */
  add(error: TufError, failure: TufFailure): void {
    this.count++
    this.network = isNetworkFault(error) ? this.network + 1 : 0
    if (!isNetworkFault(error)) this.#isSerious = true
    this.last = failure
  }

  /** Notes something that is wrong until the next refresh that succeeds. */
  warn(failure: TufFailure): void {
    this.#isSerious = true
    this.last = failure
  }

  /** Notes that a refresh succeeded. Returns how many had failed. */
  clear(): number {
    const { count } = this
    this.count = 0
    this.network = 0
    this.#isSerious = false
    return count
  }

  /** The state of the source. */
  stateOf(input: StateInput): SourceState {
    if (input.isClosed) return 'closed'
    if (input.isExpired) return 'expired'
    const isFailing = this.#isSerious || input.isTargetFailing || input.isClockSetBack
    if (isFailing || this.#isInterrupted(input)) return 'stale'
    return input.verifiedAt === null ? 'starting' : 'ready'
  }

  #isInterrupted({ verifiedAt, now, timestampSince, timestampExpiresAt }: StateInput): boolean {
    if (this.network === 0) return false
    if (this.network >= MANY_FAILURES || verifiedAt === null) return true
    // Half of its life is over: a publisher that works has made another one.
    return timestampExpiresAt !== null && now > (timestampSince + timestampExpiresAt) / 2
  }
}
