import type { TrustDomain } from '@fastify-spiffe/spiffe'
import type { DecisionCacheStats } from './cache/decision-cache.ts'
import type { PolicyDocument } from './policy/document.ts'
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
  /**
   * Puts a policy document in the place of the one in force, by default what the file of the option `policy` holds now.
   * It is compiled and tested aside; when anything is wrong, the one in force stays. Resolves with the version in force.
   *
   * @throws {AuthzError} `invalid-policy`, `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  reload(document?: PolicyDocument): Promise<string>
  /** The version of the policy document in force. */
  readonly policyVersion: string
  /** What the cache holds, and what it has done since the boot. */
  stats(): DecisionCacheStats
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route: a rule, or the name of one in the policy document. */
    spiffe?: RouteRule | string
  }

  interface FastifyInstance {
    readonly authz: Authz
  }

  interface FastifyRequest {
    /** Whose workload calls; `null` for nobody's. Present when the plugin has the option `tenant`. */
    readonly tenant: Tenant | null
  }
}
