import { TenantCache } from '../principals/tenant-cache.ts'
import { Breaker, type BreakerParts, type BreakerState } from './breaker.ts'

/** Tenants of one trust domain whose answers are counted. */
const MAX_TENANTS = 1024
/** For how long a good answer to another tenant speaks for the engine, in milliseconds. */
const WITNESS_MS = 10_000
/** How many times as long a tenant waits for a probe of its own while the engine fails for many. */
const MAX_PATIENCE = 10
/** Failures for so many tenants, without a good answer between them, are the engine's own. */
const MIN_FAILING = 5

/** A good answer of the engine. */
interface GoodAnswer {
  readonly tenant: string
  at: number
}

/** What an answer says of the engine. */
export type Outcome = 'succeeded' | 'failed' | 'unknown'

/**
 * The breakers of one engine, one for each tenant: the questions of a tenant can make an engine fail, and only their own
 * tenant is refused for it.
 *
 * The engine as a whole counts as open when the breaker of a tenant opens and the engine had no good answer for any other
 * tenant lately, or when it failed for several tenants in a row. Then each tenant may still find out for itself, but the
 * first failure opens its breaker. A good answer to anybody closes the engine as a whole.
 *
 * The more tenants it fails for, the longer each waits for a probe of its own, or an engine that is down would hardly be
 * left alone by many tenants. One probe in `openMs`, of whoever comes first, finds out when it is back.
 */
export class TenantBreakers {
  readonly #parts: BreakerParts
  readonly #breakers = new TenantCache<Breaker>({ maxTenants: MAX_TENANTS })
  /** The last good answers to two tenants, the latest first. */
  #good: readonly GoodAnswer[] = []
  /** Some of the tenants for whom it failed since the last good answer to anybody. */
  readonly #failing = new Set<string>()
  /** For how many tenants it has to fail in a row to be open as a whole. */
  readonly #many: number
  #nextProbeAt = 0
  #state: BreakerState = 'closed'

  constructor(parts: BreakerParts) {
    this.#parts = parts
    this.#many = Math.max(MIN_FAILING, parts.options.consecutiveFailures)
  }

  /** How the engine as a whole stands. */
  get state(): BreakerState {
    return this.#state
  }

  /**
   * Whether the engine may be asked for a tenant, by its key. Returns `null` where it may not, else the function that has to
   * be told what the answer says.
   */
  admit(tenant: string): ((outcome: Outcome) => void) | null {
    const breaker = this.#breakerOf(tenant)
    const wasOpen = breaker.state === 'open'
    if (!breaker.admits(this.#patience())) return null
    if (wasOpen) this.#nextProbeAt = this.#parts.clock() + this.#parts.options.openMs
    if (wasOpen && this.#state === 'open') this.#become('half-open')
    const { generation: era } = breaker
    return (outcome) => {
      // What a call of an earlier era comes to says nothing of this one.
      if (era === breaker.generation) this.#note(tenant, breaker, outcome)
    }
  }

  #patience(): number {
    const isProbeDue = this.#parts.clock() >= this.#nextProbeAt
    return isProbeDue ? 1 : Math.min(MAX_PATIENCE, Math.max(1, this.#failing.size))
  }

  #note(tenant: string, breaker: Breaker, outcome: Outcome): void {
    if (outcome === 'succeeded') {
      breaker.succeeded()
      this.#noteGood(tenant)
    } else if (outcome === 'failed') {
      this.#noteFailure(tenant, breaker)
    } else {
      breaker.unknown()
    }
  }

  #noteGood(tenant: string): void {
    const at = this.#parts.clock()
    this.#failing.clear()
    const latest = this.#good[0]
    if (latest?.tenant === tenant) latest.at = at
    else this.#good = latest === undefined ? [{ tenant, at }] : [{ tenant, at }, latest]
    if (this.#state !== 'closed') this.#become('closed')
  }

  #noteFailure(tenant: string, breaker: Breaker): void {
    if (this.#failing.size < Math.max(this.#many, MAX_PATIENCE)) this.#failing.add(tenant)
    const failsForMany = this.#failing.size >= this.#many
    if (this.#state === 'closed' && !failsForMany) breaker.failed()
    else breaker.trip()
    if (breaker.state !== 'open') return
    this.#good = this.#good.filter((answer) => answer.tenant !== tenant)
    const since = this.#parts.clock() - WITNESS_MS
    const isGoodForOthers = this.#good.some(({ at }) => at > since)
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
