import { TrustDomain } from '@fastify-spiffe/spiffe'
import { describeValue } from '@fastify-spiffe/spiffe/internal'
import type { FastifyRequest } from 'fastify'
import type { Parts } from './assembly.ts'
import type { Authz, TenantName } from './authz.ts'
import {
  ALL_TENANTS,
  explainQuestion,
  explainRequest,
  isTenantName,
  routeTable,
  scopeOf,
  tenantKey,
} from '@fastify-spiffe/policy/internal'
import { type PolicyDocument, PolicyError, type Question } from '@fastify-spiffe/policy'

/** What `fastify.authz` does. */
export function authzOf(parts: Parts): Authz {
  const { cache, replicas, policy, table, candidate, tally, guards, svids, decisionLog } = parts
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
    consider: async (document: PolicyDocument | null) => {
      policy.assertBooted()
      await candidate.set(document)
    },
    comparisons: () => ({ shadow: tally.list(), candidate: candidate.tally.list() }),
    table: () => routeTable(table),
    explain: (about: FastifyRequest | Question) =>
      'raw' in about ? explainRequest(parts, about) : explainQuestion(table, about),
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
