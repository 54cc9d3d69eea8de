import { TrustDomain } from '@fastify-spiffe/spiffe'
import { describeValue } from '@fastify-spiffe/spiffe/internal'
import type { DecisionCacheStats } from '../cache/decision-cache.ts'
import type { Call } from '../call.ts'
import type { DecisionLogStats } from '../decision-log/decision-log.ts'
import type { PolicyDocument } from '../document/document.ts'
import type { EngineStats } from '../engines/guard.ts'
import { PolicyError } from '../errors.ts'
import { explainCall, explainRequest } from '../evaluation/explain.ts'
import type { ExplainRequest, Explanation } from '../evaluation/explanation.ts'
import type { SeenSvid } from '../principals/seen-svids.ts'
import { isTenantName, tenantKey } from '../principals/tenant.ts'
import { ALL_TENANTS, scopeOf } from '../replicas/scope.ts'
import type { ReplicasState } from '../replicas/state.ts'
import { type RouteTable, routeTable } from '../report/route-table.ts'
import type { ShadowCounts } from '../rollout/shadow-counters.ts'
import type { RuleFinder } from '../rules/rule-table.ts'
import type { Parts } from './assembly.ts'

/** Names a tenant. A {@link Tenant} is one. */
export interface TenantName {
  readonly trustDomain: TrustDomain | string
  readonly name: string
}

/**
 * What an application does with its policy while it runs.
 *
 * @typeParam C - what the transport hands over for a call
 */
export interface PolicyControls<C extends Call = Call> {
  /**
   * Forgets the cached decisions of one tenant, or all, in constant time, here and in all replicas.
   * Running checks are repeated once; if they are overtaken again, they refuse.
   *
   * @throws {PolicyError} `invalid-tenant`
   */
  invalidate(tenant?: TenantName): void
  /**
   * Replaces the active policy document, by default with what the file of the option `policy`
   * contains now. The new one is compiled and tested first; if anything is wrong, the active one
   * stays. Resolves with the active version, and informs the replicas. A document that is passed
   * here stays active until code passes another one, or until the content of the policy file
   * changes after that.
   *
   * @throws {PolicyError} `invalid-policy`, `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  reload(document?: PolicyDocument): Promise<string>
  /** The version of the policy document in force. */
  readonly policyVersion: string
  /**
   * Evaluates a document beside the active one, and enforces nothing; `null` ends it. Differences
   * are published on `spiffe:authz:candidate` and counted. Its calls to engines are real.
   *
   * @throws {PolicyError} `invalid-policy` before the application is ready, `invalid-rule`, `uncovered-routes`, `policy-test-failed`
   */
  setCandidate(document: PolicyDocument | null): Promise<void>
  /**
   * How the decisions of shadow rules and of the candidate document compare with what happened to
   * requests.
   */
  shadowReport(): {
    readonly shadow: readonly ShadowCounts[]
    readonly candidate: readonly ShadowCounts[]
  }
  /** Who may call what, by the rules in force. */
  table(): RouteTable
  /**
   * What becomes of a call that is thought up, and why: everything that its rule asks for, and what came of it. Conditions
   * and engines are asked for real, and nothing is taken from the cache or put there. What it says is for operators, and
   * not for callers.
   *
   * It names its route by method and pattern. Where several routes have these, and constraints tell them apart, only a call
   * that has arrived can be explained.
   *
   * @throws {PolicyError} `ambiguous-route`; `invalid-rule` for what no call can be, such as one with a chain where calls carry none
   * @throws {SpiffeError} `invalid-spiffe-id`
   */
  explain(about: ExplainRequest): Promise<Explanation>
  /** What becomes of a call that has arrived, and why, like {@link explain}. */
  explainCall(call: C): Promise<Explanation>
  /**
   * An SVID with which a caller of this tenant was let in, by its serial number (lower-case
   * hexadecimal) or SHA-256 fingerprint (`AA:BB:…`). `null` for one of another tenant, exactly like
   * one never seen. Bounded: the oldest are forgotten first, however often they call. Needs the
   * option `tenant`.
   *
   * @throws {PolicyError} `invalid-tenant`
   */
  findSvid(tenant: TenantName, serialNumberOrFingerprint: string): SeenSvid | null
  /** Counts of the decisions that were to be recorded; `null` without the option `decisionLog`. */
  decisionLog(): DecisionLogStats | null
  /** Counts of the calls to each engine since the boot, and the state of its circuit breaker. */
  engines(): readonly EngineStats[]
  /** The state of this replica among the others; `null` without the option `replicas`. */
  replicas(): ReplicasState | null
  /** What the cache holds, and what it has done since the boot. */
  stats(): DecisionCacheStats
}

/** Makes the controls of a decision point. */
export function controlsOf<C extends Call, F extends RuleFinder<C>>(
  parts: Parts<C, F>,
): PolicyControls<C> {
  const { cache, replicas, policy, table, candidate, shadow, guards, svids, decisionLog } = parts
  const { finder, resolver } = parts
  const { reader } = parts.adapter
  return Object.freeze({
    invalidate: (tenant?: TenantName) => {
      const key = tenant === undefined ? undefined : keyOf(tenant)
      cache.invalidate(key)
      replicas?.publish(key === undefined ? ALL_TENANTS : scopeOf(key))
    },
    reload: async (document?: PolicyDocument) => {
      const version = await policy.replace(document)
      replicas?.affirmPolicy()
      return version
    },
    get policyVersion() {
      return policy.version
    },
    setCandidate: async (document: PolicyDocument | null) => {
      policy.assertBooted()
      await candidate.set(document)
    },
    shadowReport: () => ({ shadow: shadow.list(), candidate: candidate.counters.list() }),
    table: () => routeTable(table),
    explain: (about: ExplainRequest) => explainRequest(table, about),
    explainCall: (call: C) => explainCall({ reader, table, finder, resolver }, call),
    findSvid: (tenant: TenantName, key: string) => svids.find(keyOf(tenant), key),
    decisionLog: () => decisionLog?.stats() ?? null,
    engines: () => Array.from(guards.values(), (guard) => guard.stats()),
    replicas: () => replicas?.state ?? null,
    stats: () => cache.stats(),
  })
}

/** The `null` of a request without tenant must not mean everybody. */
function keyOf(tenant: TenantName | null): string {
  const { trustDomain, name } = tenant ?? { trustDomain: undefined, name: undefined }
  const domain = TrustDomain.safeParse(
    trustDomain instanceof TrustDomain ? trustDomain.name : trustDomain,
  )
  if (!domain.ok || typeof name !== 'string' || !isTenantName(name)) {
    const message = `a tenant has a trust domain and a name that is a path segment, not ${describeValue(tenant)}`
    throw new PolicyError('invalid-tenant', message)
  }
  return tenantKey(domain.value, name)
}
