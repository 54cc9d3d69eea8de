import { TrustDomain } from '@fastify-spiffe/spiffe'
import type { FastifyRequest } from 'fastify'
import type { Authz, TenantName } from './authz.ts'
import type { Provisions } from './condition/provisions.ts'
import type { DecisionCache } from './cache/decision-cache.ts'
import type { EngineGuard } from './engine/guard.ts'
import { EVERYBODY, type Replicas, scopeOf } from './invalidation/replicas.ts'
import { AuthzError } from './errors.ts'
import type { DecisionLog } from './log/decision-log.ts'
import { explainQuestion, explainRequest } from './explain/explain.ts'
import type { Question } from './explain/explanation.ts'
import type { PolicyDocument } from './policy/document.ts'
import type { EnforcedPolicy } from './policy/enforced-policy.ts'
import type { RouteRules } from './rule/route-rules.ts'
import type { Candidate } from './shadow/candidate.ts'
import type { Tally } from './shadow/tally.ts'
import { routeTable } from './table/route-table.ts'
import type { SvidIndex } from './tenant/svid-index.ts'
import { tenantKey } from './tenant/tenant.ts'
/** What `fastify.authz` speaks for. */
export interface Parts {
  readonly cache: DecisionCache
  readonly replicas: Replicas | null
  readonly policy: EnforcedPolicy
  readonly rules: RouteRules
  readonly candidate: Candidate
  readonly tally: Tally
  readonly guards: ReadonlyMap<string, EngineGuard>
  readonly svids: SvidIndex
  readonly provisions: Provisions
  readonly decisionLog: DecisionLog | null
}

export function authzOf({
  cache,
  replicas,
  policy,
  rules,
  candidate,
  tally,
  guards,
  svids,
  decisionLog,
  provisions,
}: Parts): Authz {
  return Object.freeze({
    invalidate: (tenant?: TenantName) => {
      const key = tenant === undefined ? undefined : keyOf(tenant)
      cache.invalidate(key)
      replicas?.announce(key === undefined ? EVERYBODY : scopeOf(key))
    },
    reload: (document?: PolicyDocument) => policy.replace(document),
    get policyVersion() {
      return policy.version
    },
    consider: async (document: PolicyDocument | null) => {
      policy.assertBooted()
      await candidate.set(document)
    },
    comparisons: () => ({ shadow: tally.list(), candidate: candidate.tally.list() }),
    table: () => routeTable(rules),
    explain: (about: FastifyRequest | Question) =>
      'raw' in about ? explainRequest(rules, about, provisions) : explainQuestion(rules, about),
    findSvid: (tenant: TenantName, key: string) => svids.find(keyOf(tenant), key),
    decisionLog: () => decisionLog?.stats() ?? null,
    engines: () => Array.from(guards.values(), (guard) => guard.stats()),
    stats: () => cache.stats(),
  })
}

/** The `null` of a request without tenant must not mean everybody. */
function keyOf(tenant: TenantName | null): string {
  const { trustDomain, name } = tenant ?? { trustDomain: '', name: '' }
  if (typeof name !== 'string' || name === '') {
    throw new AuthzError('invalid-tenant', 'a tenant has a trust domain and a name')
  }
  return tenantKey(
    typeof trustDomain === 'string' ? TrustDomain.parse(trustDomain) : trustDomain,
    name,
  )
}
