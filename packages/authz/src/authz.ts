import type { TrustDomain } from '@fastify-spiffe/spiffe'
import type { DecisionCacheStats } from './cache/decision-cache.ts'
import type { RouteRule } from './rule/route-rule.ts'
import type { Tenant } from './tenant.ts'

/** Names a tenant. A {@link Tenant} is one. */
export interface TenantName {
  readonly trustDomain: TrustDomain | string
  readonly name: string
}

/** `fastify.authz`. */
export interface Authz {
  /**
   * Forgets the remembered decisions of one tenant, or of everybody, in constant time. Checks under way are repeated once;
   * when they are overtaken again, they refuse.
   *
   * @throws {AuthzError} `invalid-tenant`
   */
  invalidate(tenant?: TenantName): void
  /** What the cache holds, and what it has done since the boot. */
  stats(): DecisionCacheStats
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route. A route without it does not boot. */
    spiffe?: RouteRule
  }

  interface FastifyInstance {
    readonly authz: Authz
  }

  interface FastifyRequest {
    /** Whose workload calls; `null` for nobody's. Present when the plugin has the option `tenant`. */
    readonly tenant: Tenant | null
  }
}
