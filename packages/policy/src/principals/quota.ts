import type { Decision } from '../decision/decision.ts'
import { TenantCache } from './tenant-cache.ts'
import { trustDomainOfKey } from './tenant.ts'

/** How much one tenant may have evaluated. What is answered from the cache counts for nothing. */
export interface TenantQuotaOptions {
  /** Evaluations under way at a time. */
  readonly maxInFlight: number
  /** Evaluations begun within a second. */
  readonly maxEvaluationsPerSecond: number
  /** Tenants of one trust domain with an account of their own. */
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

/**
 * Keeps one tenant from using up what evaluates for all: engines, databases, this process. Only an account that has
 * nothing under way, and its whole second left, is forgotten: it comes back as it was. Where a trust domain has no room for
 * another account, its further tenants share one.
 */
export class TenantQuotas {
  readonly #options: TenantQuotaOptions
  readonly #isUnlimited: boolean
  readonly #accounts: TenantCache<Account>
  /** By trust domain, and there are only as many as the service trusts. */
  readonly #sharedAccounts = new Map<string, Account>()

  constructor(options: TenantQuotaOptions) {
    const { maxInFlight, maxEvaluationsPerSecond, maxTenants } = options
    this.#options = options
    this.#isUnlimited = maxInFlight === Infinity && maxEvaluationsPerSecond === Infinity
    this.#accounts = new TenantCache({
      maxTenants,
      isEvictable: (account) => this.#isAtRest(account),
    })
  }

  /** Puts the account of a tenant before what evaluates its queries: whoever has used it up gets `refusal`. */
  metered<Query extends { readonly tenant: string }>(
    evaluate: (query: Query) => Decision | Promise<Decision>,
    refusal: Decision,
  ): (query: Query) => Decision | Promise<Decision> {
    if (this.#isUnlimited) return evaluate
    return (query) => {
      const account = this.#accountOf(query.tenant)
      this.#refill(account)
      if (account.inFlight >= this.#options.maxInFlight || account.tokens < 1) return refusal
      account.tokens--
      const outcome = evaluate(query)
      if (!(outcome instanceof Promise)) return outcome
      account.inFlight++
      return outcome.finally(() => account.inFlight--)
    }
  }

  #accountOf(tenant: string): Account {
    const known = this.#accounts.get(tenant)
    if (known !== undefined) return known
    const account = this.#newAccount()
    return this.#accounts.set(tenant, account) ? account : this.#sharedAccountOf(tenant)
  }

  #sharedAccountOf(tenant: string): Account {
    const trustDomain = trustDomainOfKey(tenant)
    const account = this.#sharedAccounts.get(trustDomain) ?? this.#newAccount()
    this.#sharedAccounts.set(trustDomain, account)
    return account
  }

  #newAccount(): Account {
    const { maxEvaluationsPerSecond, clock } = this.#options
    return { inFlight: 0, tokens: maxEvaluationsPerSecond, refilledAt: clock() }
  }

  #isAtRest(account: Account): boolean {
    this.#refill(account)
    return account.inFlight === 0 && account.tokens >= this.#options.maxEvaluationsPerSecond
  }

  #refill(account: Account): void {
    const { maxEvaluationsPerSecond, clock } = this.#options
    const now = clock()
    // Skip when no time has passed: with no limit this would be `0 * Infinity`, which is `NaN`.
    if (now <= account.refilledAt) return
    const refill = ((now - account.refilledAt) / 1000) * maxEvaluationsPerSecond
    account.tokens = Math.min(maxEvaluationsPerSecond, account.tokens + refill)
    account.refilledAt = now
  }
}
