import type { TrustDomain } from '@fastify-spiffe/spiffe'
import type { FastifyRequest } from 'fastify'
import type {
  Comparisons,
  DecisionCacheStats,
  DecisionLogStats,
  EngineStats,
  Explanation,
  PolicyDocument,
  Question,
  ReplicasState,
  RouteRule,
  RouteTable,
  SeenSvid,
  Tenant,
} from '@fastify-spiffe/policy'

/** Names a tenant. A {@link Tenant} is one. */
export interface TenantName {
  readonly trustDomain: TrustDomain | string
  readonly name: string
}

/** `fastify.authz`. */
export interface Authz {
  /**
   * Forgets the remembered decisions of one tenant, or of everybody, in constant time, here and in all replicas. Checks
   * under way are repeated once; when they are overtaken again, they refuse.
   *
   * @throws {AuthzError} `invalid-tenant`
   */
  invalidate(tenant?: TenantName): void
  /**
   * Puts a policy document in the place of the one in force, by default what the file of the option `policy` holds now.
   * It is compiled and tested aside; when anything is wrong, the one in force stays. Resolves with the version in force.
   * Replicas are told. A document that is given here stays in force until code puts another one there, or until the content
   * of the policy file changes after that.
   *
   * @throws {AuthzError} `invalid-policy`, `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  reload(document?: PolicyDocument): Promise<string>
  /** The version of the policy document in force. */
  readonly policyVersion: string
  /**
   * Lets a document decide beside the one in force, and enforce nothing; `null` ends that. What differs is told by
   * `spiffe:authz:candidate` and counted. What it asks of engines, it asks as well.
   *
   * @throws {AuthzError} `invalid-policy` before the application is ready, `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  consider(document: PolicyDocument | null): Promise<void>
  /** How the verdicts of shadow rules, and of the document under consideration, compare with what became of requests. */
  comparisons(): {
    readonly shadow: readonly Comparisons[]
    readonly candidate: readonly Comparisons[]
  }
  /** Who may call what, by the rules in force. */
  table(): RouteTable
  /**
   * What becomes of a request, real or thought up, and why: everything that its rule asks for, and what came of it.
   * Conditions and engines are asked for real, and nothing is taken from the cache or put there. What it tells is for
   * operators, and not for callers.
   *
   * A request that is thought up names its route by method and pattern. Where several routes have these, and constraints
   * tell them apart, only a real request can be explained.
   *
   * @throws {AuthzError} `ambiguous-route`
   * @throws {SpiffeError} `invalid-spiffe-id`
   */
  explain(about: FastifyRequest | Question): Promise<Explanation>
  /**
   * An SVID with which a caller of this tenant was let in, by its serial number (lower-case hexadecimal) or SHA-256
   * fingerprint (`AA:BB:…`). `null` for one of another tenant, as for one that there is not. Bounded: those
   * that came first are forgotten first, however often they call. Needs the option `tenant`.
   *
   * @throws {AuthzError} `invalid-tenant`
   */
  findSvid(tenant: TenantName, serialNumberOrFingerprint: string): SeenSvid | null
  /** What became of the decisions that were to be recorded; `null` without the option `decisionLog`. */
  decisionLog(): DecisionLogStats | null
  /** What became of the questions to each engine since the boot, and how it stands. */
  engines(): readonly EngineStats[]
  /** How this replica stands with the others; `null` without the option `replicas`. */
  replicas(): ReplicasState | null
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
