import { FairCache } from '@fastify-spiffe/spiffe/internal'
import { trustDomainOfKey } from './tenant.ts'

/** Trust domains with all their tenants in memory at a time; with more of them, each has its equal part. */
const FULL_TRUST_DOMAINS = 4

/** The bounds of a {@link TenantCache}. */
export interface TenantCacheOptions<V> {
  /** Tenants of one trust domain. */
  readonly maxTenants: number
  /** Whether what is kept of a tenant may be forgotten now. Default: it may. */
  readonly isEvictable?: (value: V) => boolean
}

/**
 * One value for each tenant, by its key. Tenants of one trust domain evict no others: a federated domain that brings ever
 * new names uses up its own share.
 */
export class TenantCache<V> {
  readonly #values: FairCache<V>

  constructor({ maxTenants, isEvictable }: TenantCacheOptions<V>) {
    this.#values = new FairCache({
      maxWeight: maxTenants * FULL_TRUST_DOMAINS,
      maxGroupWeight: maxTenants,
      ...(isEvictable !== undefined && { isEvictable }),
    })
  }

  /** Finds what is kept of a tenant, and counts as a use of it. */
  get(tenant: string): V | undefined {
    return this.#values.get(tenant)
  }

  /** Finds it without using it. */
  peek(tenant: string): V | undefined {
    return this.#values.peek(tenant)
  }

  values(): IterableIterator<V> {
    return this.#values.values()
  }

  /** Returns `false`, and keeps nothing, where nothing that could make room may be forgotten. */
  set(tenant: string, value: V): boolean {
    return this.#values.set(trustDomainOfKey(tenant), tenant, value)
  }

  delete(tenant: string): void {
    this.#values.delete(tenant)
  }
}
