import { TrustDomain } from '@fastify-spiffe/spiffe'
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import type { Authz, TenantName } from './authz.ts'
import { DecisionCache } from './cache/decision-cache.ts'
import { Coverage } from './coverage.ts'
import { EngineGuard } from './engine/guard.ts'
import { AuthzError } from './errors.ts'
import { explain, explainRequest, readFrom } from './explain/explain.ts'
import type { Question } from './explain/explanation.ts'
import { Decider } from './decide/decider.ts'
import { Gate } from './decide/gate.ts'
import { type AuthzOptions, readOptions } from './options.ts'
import { EnforcedPolicy } from './policy/enforced-policy.ts'
import { losesEverything } from './policy/dismissal.ts'
import { loadPolicy } from './policy/load.ts'
import { Policy } from './policy/policy.ts'
import { watchFile } from './policy/watch.ts'
import type { PolicyDocument } from './policy/document.ts'
import { RouteRules } from './rule/route-rules.ts'
import { Candidate } from './shadow/candidate.ts'
import { Tally } from './shadow/tally.ts'
import { routeTable } from './table/route-table.ts'
import { compileTenantTemplate, type TenantResolver, tenantKey } from './tenant.ts'

let registrations = 0

/**
 * Lets in whom the routes name, by `config.spiffe`, and nobody else. It holds for every route of the instance that it is
 * registered on, and of the instances within. Register it after `@fastify-spiffe/peer`, with `await`, and before the routes.
 *
 * @throws {AuthzError} `invalid-option` while it loads, `invalid-rule` where a route is declared, `uncovered-routes` when
 *   the application becomes ready
 */
export const authz: FastifyPluginAsync<AuthzOptions> = fastifyPlugin(plugin, {
  name: '@fastify-spiffe/authz',
  fastify: '5.x',
  decorators: { request: ['spiffeId', 'peer'] },
})

async function plugin(fastify: FastifyInstance, options: AuthzOptions): Promise<void> {
  if (fastify.hasDecorator('authz')) {
    throw new AuthzError(
      'invalid-option',
      'this instance, or one around it, has the plugin already',
    )
  }
  const settings = readOptions(options)
  const tenantOf = settings.tenant === undefined ? null : compileTenantTemplate(settings.tenant)
  const cache = new DecisionCache(settings)
  const { engines, timeoutMs } = settings
  let steps = 0
  const guardParts = { clock: () => performance.now(), random: settings.random }
  const guards = new Map(
    Array.from(engines, ([name, engine]) => [name, new EngineGuard(engine, guardParts)]),
  )
  const context = { tenantOf, engines: guards, timeoutMs, nextIndex: () => steps++ }
  const { document, file, watch } = settings.policy
  const first = file === null ? new Policy(document, 'option policy') : await loadPolicy(file)
  const rules = new RouteRules(context, settings.notFound, first)
  const policy = new EnforcedPolicy(rules, first, file, (before, after) => {
    // Whoever proves callers otherwise than by @fastify-spiffe/peer may not be able to send them away.
    if (!fastify.hasDecorator('dismissPeers')) return
    fastify.dismissPeers(({ spiffeId }) => losesEverything(spiffeId, before, after))
  })
  const decider = new Decider(cache, tenantOf)
  const candidate = new Candidate(rules, decider)
  const tally = new Tally()
  const gate = new Gate({
    name: `spiffeAuthz${++registrations}`,
    rules,
    decider,
    candidate,
    tally,
    lastDecisionHeader: settings.lastDecisionHeader,
    clock: settings.clock,
  })
  const coverage = new Coverage(gate.hook.name)

  fastify.decorate('authz', authzOf({ cache, policy, rules, candidate, tally, guards }))
  if (tenantOf !== null) decorateTenant(fastify, tenantOf)
  fastify.addHook('onRoute', function addRoute(route) {
    coverage.add(route, rules.attach(this, route))
  })
  fastify.addHook('onRequest', gate.hook)
  let endWatching: (() => void) | undefined
  fastify.addHook('onClose', async () => {
    endWatching?.()
    await Promise.all(Array.from(engines.values(), async (engine) => engine.close?.()))
  })
  fastify.addHook('onReady', async () => {
    coverage.assertComplete(fastify)
    await policy.boot()
    if (file !== null && watch) endWatching = follow(fastify, file, policy)
  })
}

interface Parts {
  readonly cache: DecisionCache
  readonly policy: EnforcedPolicy
  readonly rules: RouteRules
  readonly candidate: Candidate
  readonly tally: Tally
  readonly guards: ReadonlyMap<string, EngineGuard>
}

function authzOf({ cache, policy, rules, candidate, tally, guards }: Parts): Authz {
  return Object.freeze({
    invalidate: (tenant?: TenantName) => {
      cache.invalidate(tenant === undefined ? undefined : keyOf(tenant))
    },
    reload: (document?: PolicyDocument) => policy.replace(document),
    get policyVersion() {
      return policy.version
    },
    consider: (document: PolicyDocument | null) => candidate.set(document),
    comparisons: () => ({ shadow: tally.list(), candidate: candidate.tally.list() }),
    table: () => routeTable(rules),
    explain: (about: FastifyRequest | Question) =>
      'raw' in about ? explainRequest(rules, about) : explain(rules, about, readFrom(about)),
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

/** Reads the file again whenever it changes. Returns the function that ends it. */
function follow(fastify: FastifyInstance, file: string, policy: EnforcedPolicy): () => void {
  return watchFile(file, () => {
    policy.replace().catch((error: unknown) => {
      const fields = { err: error, policyVersion: policy.version }
      fastify.log.error(fields, 'policy refused: the last good one stays')
    })
  })
}

function decorateTenant(fastify: FastifyInstance, tenantOf: TenantResolver): void {
  fastify.decorateRequest('tenant', {
    getter() {
      return this.spiffeId === null ? null : tenantOf(this.spiffeId)
    },
  })
}
