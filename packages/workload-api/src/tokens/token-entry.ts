import type { JwtSvid, SetTimer } from '@fastify-spiffe/spiffe'

import { WorkloadApiError, toWorkloadApiError } from '../errors.ts'
import { Backoff } from '../watch/backoff.ts'
import type { BackoffBounds } from '../watch/backoff.ts'

/** How long a caller waits for the renewal of a token that is about to expire, and still valid. */
const GRACE_MS = 1_000

export interface TokenEntryOptions {
  /** One call of the Workload API. */
  readonly fetch: () => Promise<readonly JwtSvid[]>
  readonly clock: () => number
  readonly random: () => number
  /** The waits after failures. */
  readonly backoff: BackoffBounds
  readonly setTimer: SetTimer
  /** Called with each renewal or fetch that failed. */
  readonly onFailure: (error: WorkloadApiError) => void
}

interface Held {
  readonly svids: readonly JwtSvid[]
  /** When the first of them expires, in ms since the epoch. */
  readonly expiresAt: number
  /** From then on a new one is fetched, while this one is served. */
  readonly renewAt: number
  /** From then on a caller waits a moment for the new one. */
  readonly urgentAt: number
}

/**
 * The tokens for one identity and one audience. There is one call at a time, whoever asks, and after a failure none
 * before its wait is over. A good token is served as long as it is valid, whatever becomes of its renewal – but for
 * `no-identity`, which takes it away.
 */
export class TokenEntry {
  readonly #options: TokenEntryOptions
  readonly #backoff: Backoff
  #held: Held | undefined
  #flight: Promise<readonly JwtSvid[]> | undefined
  #failure: {
    readonly error: WorkloadApiError
    readonly from: number
    readonly to: number
  } | null = null

  constructor(options: TokenEntryOptions) {
    this.#options = options
    this.#backoff = new Backoff(options.backoff, options.random)
  }

  get isIdle(): boolean {
    return this.#flight === undefined
  }

  /** The tokens, when nobody needs to wait for them. Starts their renewal when it is time. */
  ready(): readonly JwtSvid[] | undefined {
    const now = this.#options.clock()
    const held = this.#heldAt(now)
    if (held === undefined || now >= held.urgentAt) return undefined
    if (now >= held.renewAt) void this.#renew()
    return held.svids
  }

  /** @throws {@link WorkloadApiError} why there is none */
  async get(): Promise<readonly JwtSvid[]> {
    const ready = this.ready()
    if (ready !== undefined) return ready
    const held = this.#heldAt(this.#options.clock())
    if (held === undefined) return this.#fetch()
    const renewal = this.#renew()
    if (renewal === undefined) return held.svids
    await this.#within(renewal)
    // The renewed one, the old one while it is valid, or what the renewal brings in the end.
    return this.#heldAt(this.#options.clock())?.svids ?? this.#fetch()
  }

  /** Whether one of the tokens was signed by an authority that is to be given up. */
  isSignedBy(isGone: (svid: JwtSvid) => boolean): boolean {
    return this.#held?.svids.some(isGone) === true
  }

  /** Fetches anew, or waits for the call that is under way. */
  #fetch(): Promise<readonly JwtSvid[]> {
    if (this.#flight !== undefined) return this.#flight
    const failure = this.#recentFailure()
    return failure === undefined ? this.#call() : Promise.reject(failure)
  }

  /** The renewal that is under way or begins now; `undefined` after a recent failure. */
  #renew(): Promise<readonly JwtSvid[]> | undefined {
    if (this.#flight !== undefined) return this.#flight
    return this.#recentFailure() === undefined ? this.#call() : undefined
  }

  #call(): Promise<readonly JwtSvid[]> {
    const flight = this.#options.fetch().then(
      (svids) => {
        this.#flight = undefined
        this.#hold(svids)
        return svids
      },
      (cause: unknown) => {
        this.#flight = undefined
        throw this.#fail(toWorkloadApiError(cause))
      },
    )
    // Those who wait hear of a failure; a renewal that nobody waits for is reported by `onFailure`.
    flight.catch(() => {})
    this.#flight = flight
    return flight
  }

  #hold(svids: readonly JwtSvid[]): void {
    const now = this.#options.clock()
    const first = svids.reduce((one, other) => (other.expiresAt < one.expiresAt ? other : one))
    const { expiresAt, issuedAt = now } = first
    // The agent may give a token that is beyond its half-life: the next call must not ask again.
    const renewAt = Math.max(issuedAt + (expiresAt - issuedAt) / 2, now + (expiresAt - now) / 4)
    const urgentAt = renewAt + (expiresAt - renewAt) / 2
    this.#held = { svids, expiresAt, renewAt, urgentAt }
    this.#failure = null
    this.#backoff.reset()
  }

  #fail(error: WorkloadApiError): WorkloadApiError {
    if (error.code === 'closed') return error
    const from = this.#options.clock()
    this.#failure = { error, from, to: from + this.#backoff.next() }
    // Workload API §6.2.1: the workload is not entitled to the identity any more.
    if (error.code === 'no-identity') this.#held = undefined
    this.#options.onFailure(error)
    return error
  }

  #heldAt(now: number): Held | undefined {
    // Written so that a clock that gives NaN has no token.
    return this.#held !== undefined && now < this.#held.expiresAt ? this.#held : undefined
  }

  #recentFailure(): WorkloadApiError | undefined {
    if (this.#failure === null) return undefined
    const now = this.#options.clock()
    const { error, from, to } = this.#failure
    // A clock that was set back does not prolong the wait.
    return now >= from && now < to ? error : undefined
  }

  async #within(renewal: Promise<unknown>): Promise<void> {
    let cancel: (() => void) | undefined
    const grace = new Promise<void>((resolve) => {
      cancel = this.#options.setTimer(resolve, GRACE_MS)
    })
    const settled = renewal.then(
      () => undefined,
      () => undefined,
    )
    await Promise.race([settled, grace])
    cancel?.()
  }
}
