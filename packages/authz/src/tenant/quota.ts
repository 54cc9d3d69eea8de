import { LRUCache } from 'lru-cache'
import type { Decision } from '../decide/decision.ts'

/** How much one tenant may have evaluated. What is answered from the cache counts for nothing. */
export interface TenantQuotaOptions {
  /** Evaluations under way at a time. */
  readonly maxInFlight: number
  /** Evaluations begun within a second. */
  readonly maxEvaluationsPerSecond: number
  /** Tenants that are kept account of; the least recently used is forgotten first. */
  readonly maxTenants: number
  /** Milliseconds that only go forward. */
  readonly clock: () => number
}

/** One tenant's account. */
interface Account {
  inFlight: number
  /** What is left of the second. */
  tokens: number
  refilledAt: number
}

/** Keeps one tenant from using up what evaluates for all: engines, databases, this process. */
export class TenantQuotas {
  readonly #options: TenantQuotaOptions
  readonly #accounts: LRUCache<string, Account>

  constructor(options: TenantQuotaOptions) {
    this.#options = options
    this.#accounts = new LRUCache({ max: options.maxTenants })
  }

  /** Evaluates on the account of a tenant, or returns `refusal`. */
  run(
    tenant: string,
    refusal: Decision,
    evaluate: () => Decision | Promise<Decision>,
  ): Decision | Promise<Decision> {
    const account = this.#accountOf(tenant)
    if (account.inFlight >= this.#options.maxInFlight || account.tokens < 1) return refusal
    account.tokens--
    const outcome = evaluate()
    if (!(outcome instanceof Promise)) return outcome
    account.inFlight++
    return outcome.finally(() => account.inFlight--)
  }

  #accountOf(tenant: string): Account {
    const { maxEvaluationsPerSecond, clock } = this.#options
    const now = clock()
    let account = this.#accounts.get(tenant)
    if (account === undefined) {
      account = { inFlight: 0, tokens: maxEvaluationsPerSecond, refilledAt: now }
      this.#accounts.set(tenant, account)
    }
    // Without a bound, no time at all times everything would be no number.
    if (now > account.refilledAt) {
      const refill = ((now - account.refilledAt) / 1000) * maxEvaluationsPerSecond
      account.tokens = Math.min(maxEvaluationsPerSecond, account.tokens + refill)
      account.refilledAt = now
    }
    return account
  }
}
