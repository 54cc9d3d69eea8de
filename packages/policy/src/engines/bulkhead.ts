import { trustDomainOfKey } from '../principals/tenant.ts'

export interface BulkheadOptions {
  readonly maxInFlight: number
  /** Whether tenants share what their trust domain may have under way. */
  readonly hasTenants: boolean
}

/** What a trust domain has under way. */
interface Domain {
  inFlight: number
  /** By the key of the tenant. */
  readonly byTenant: Map<string, number>
}

/** With fewer slots than these there is nothing to share. */
const MIN_SHARED = 4
/** One trust domain leaves a quarter of the slots to others, and of what it finds a quarter again. */
const DOMAIN_RATIO = 3

/**
 * Limits the running questions to an engine, so that no caller has them all: a trust domain takes
 * at most three quarters of what the others leave, and a tenant half of what the others of its
 * trust domain leave. So something is left for the next caller.
 */
export class Bulkhead {
  readonly #maxInFlight: number
  readonly #hasTenants: boolean
  readonly #isShared: boolean
  readonly #maxOfDomain: number
  /** Only those with anything under way. */
  readonly #domains = new Map<string, Domain>()
  #inFlight = 0

  constructor({ maxInFlight, hasTenants }: BulkheadOptions) {
    this.#maxInFlight = maxInFlight
    this.#hasTenants = hasTenants
    this.#isShared = maxInFlight >= MIN_SHARED
    this.#maxOfDomain = maxInFlight - Math.floor(maxInFlight / (DOMAIN_RATIO + 1))
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Whether a tenant, by its key, may have one more running question. */
  admits(tenant: string): boolean {
    if (this.#inFlight >= this.#maxInFlight) return false
    if (!this.#isShared || this.#inFlight === 0) return true
    const domain = this.#domains.get(trustDomainOfKey(tenant))
    if (domain === undefined) return true
    return this.#isWithinDomainShare(domain) && this.#isWithinTenantShare(domain, tenant)
  }

  /** Returns the function that ends it. */
  enter(tenant: string): () => void {
    const name = trustDomainOfKey(tenant)
    const domain = this.#domains.get(name) ?? { inFlight: 0, byTenant: new Map<string, number>() }
    this.#domains.set(name, domain)
    domain.inFlight++
    domain.byTenant.set(tenant, (domain.byTenant.get(tenant) ?? 0) + 1)
    this.#inFlight++
    return () => this.#leave(name, domain, tenant)
  }

  #leave(name: string, domain: Domain, tenant: string): void {
    this.#inFlight--
    const left = (domain.byTenant.get(tenant) ?? 1) - 1
    if (left > 0) domain.byTenant.set(tenant, left)
    else domain.byTenant.delete(tenant)
    if (--domain.inFlight === 0) this.#domains.delete(name)
  }

  #isWithinDomainShare({ inFlight }: Domain): boolean {
    const free = this.#maxInFlight - this.#inFlight - 1
    return inFlight + 1 <= DOMAIN_RATIO * free
  }

  #isWithinTenantShare({ inFlight, byTenant }: Domain, tenant: string): boolean {
    if (!this.#hasTenants) return true
    const own = byTenant.get(tenant) ?? 0
    const others = inFlight - own
    return own + 1 <= Math.ceil((this.#maxOfDomain - others) / 2)
  }
}
