import { TenantCache } from '../principals/tenant-cache.ts'
import { Breaker, type BreakerParts, type BreakerState } from './breaker.ts'

/** Tenants of one trust domain that have a breaker. */
const MAX_TENANTS = 1024
/** How long a success for another tenant shows that the engine works, in milliseconds. */
const RECENT_SUCCESS_MS = 10_000
/** While the engine fails for many tenants, each waits up to this many times longer for its own probe. */
const MAX_PROBE_DELAY_FACTOR = 10
/** If calls of this many tenants fail without a success between them, the engine itself fails. */
const MIN_FAILING = 5

/** The last success of the engine for a tenant. */
interface Success {
  readonly tenant: string
  at: number
}

/** What an answer shows about the engine. */
export type Outcome = 'succeeded' | 'failed' | 'unknown'

/**
 * The circuit breakers of one engine, one for each tenant: requests of a tenant can make an engine fail, and only that
 * tenant is refused for it.
 *
 * The engine as a whole is open when the breaker of a tenant opens and the engine had no recent success for another
 * tenant, or when it failed for several tenants in a row. Each tenant can still probe the engine, but the first failure
 * opens its breaker. A success for any tenant closes the engine as a whole.
 *
 * The more tenants the engine fails for, the longer each waits for its own probe: otherwise many tenants together would
 * keep calling an engine that is down. One probe per `openMs`, from whichever tenant calls first, detects its recovery.
 */
export class TenantBreakers {
  readonly #parts: BreakerParts
  readonly #breakers = new TenantCache<Breaker>({ maxTenants: MAX_TENANTS })
  /** The last successes for two tenants, the latest first. */
  #recentSuccesses: readonly Success[] = []
  /** Some of the tenants for which it has failed since the last success. */
  readonly #failing = new Set<string>()
  /** The number of tenants in a row for which it must fail to be open as a whole. */
  readonly #minFailingTenants: number
  #nextProbeAt = 0
  #state: BreakerState = 'closed'

  constructor(parts: BreakerParts) {
    this.#parts = parts
    this.#minFailingTenants = Math.max(MIN_FAILING, parts.options.consecutiveFailures)
  }

  /** The state of the engine as a whole. */
  get state(): BreakerState {
    return this.#state
  }

  /**
   * Asks whether a tenant, by its key, may call the engine. Returns `null` if it may not, otherwise the function to call
   * with the outcome.
   */
  admit(tenant: string): ((outcome: Outcome) => void) | null {
    const breaker = this.#breakerOf(tenant)
    const wasOpen = breaker.state === 'open'
    if (!breaker.admits(this.#probeDelayFactor())) return null
    if (wasOpen) this.#nextProbeAt = this.#parts.clock() + this.#parts.options.openMs
    if (wasOpen && this.#state === 'open') this.#become('half-open')
    const { generation } = breaker
    return (outcome) => {
      // The outcome of a call of an earlier generation does not count for this one.
      if (generation === breaker.generation) this.#record(tenant, breaker, outcome)
    }
  }

  #probeDelayFactor(): number {
    const isProbeDue = this.#parts.clock() >= this.#nextProbeAt
    return isProbeDue ? 1 : Math.min(MAX_PROBE_DELAY_FACTOR, Math.max(1, this.#failing.size))
  }

  #record(tenant: string, breaker: Breaker, outcome: Outcome): void {
    if (outcome === 'succeeded') {
      breaker.succeeded()
      this.#recordSuccess(tenant)
    } else if (outcome === 'failed') {
      this.#recordFailure(tenant, breaker)
    } else {
      breaker.unknown()
    }
  }

  #recordSuccess(tenant: string): void {
    const at = this.#parts.clock()
    this.#failing.clear()
    const latest = this.#recentSuccesses[0]
    if (latest?.tenant === tenant) latest.at = at
    else this.#recentSuccesses = latest === undefined ? [{ tenant, at }] : [{ tenant, at }, latest]
    if (this.#state !== 'closed') this.#become('closed')
  }

  #recordFailure(tenant: string, breaker: Breaker): void {
    if (this.#failing.size < Math.max(this.#minFailingTenants, MAX_PROBE_DELAY_FACTOR))
      this.#failing.add(tenant)
    const failsForMany = this.#failing.size >= this.#minFailingTenants
    if (this.#state === 'closed' && !failsForMany) breaker.failed()
    else breaker.trip()
    if (breaker.state !== 'open') return
    this.#recentSuccesses = this.#recentSuccesses.filter((answer) => answer.tenant !== tenant)
    const since = this.#parts.clock() - RECENT_SUCCESS_MS
    const isGoodForOthers = this.#recentSuccesses.some(({ at }) => at > since)
    if ((failsForMany || !isGoodForOthers) && this.#state !== 'open') this.#become('open')
  }

  #breakerOf(tenant: string): Breaker {
    const known = this.#breakers.get(tenant)
    if (known !== undefined) return known
    const breaker = new Breaker(this.#parts)
    this.#breakers.set(tenant, breaker)
    return breaker
  }

  #become(state: BreakerState): void {
    this.#state = state
    this.#parts.onChange(state)
  }
}
