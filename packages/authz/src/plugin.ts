import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { authzOf } from './api.ts'
import { DecisionCache } from './cache/decision-cache.ts'
import { clientAddress } from './client/address.ts'
import { Provisions } from './condition/provisions.ts'
import { Coverage } from './coverage.ts'
import { cacheChannel, type CacheEvent } from './events.ts'
import { EngineGuard } from './engine/guard.ts'
import { AuthzError } from './errors.ts'
import { Decider } from './decide/decider.ts'
import { Gate } from './decide/gate.ts'
import { EVERYBODY, Replicas, type ReplicasParts, tenantKeyOf } from './invalidation/replicas.ts'
import { DecisionLog } from './log/decision-log.ts'
import { type AuthzOptions, readOptions } from './options/options.ts'
import { EnforcedPolicy } from './policy/enforced-policy.ts'
import { losesEverything } from './policy/dismissal.ts'
import { loadPolicy } from './policy/load.ts'
import { Policy } from './policy/policy.ts'
import { watchFile } from './policy/watch.ts'
import { RouteRules } from './rule/route-rules.ts'
import { Candidate } from './shadow/candidate.ts'
import { Tally } from './shadow/tally.ts'
import { TenantQuotas } from './tenant/quota.ts'
import { SvidIndex } from './tenant/svid-index.ts'
import { compileTenantTemplate, type TenantResolver } from './tenant/tenant.ts'

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
  let replicas: Replicas | null = null
  const isCurrent = (): boolean => replicas?.isCurrent ?? true
  const cache = new DecisionCache({ ...settings, isCurrent })
  const { engines, timeoutMs } = settings
  let steps = 0
  const guardParts = { clock: () => performance.now(), random: settings.random }
  const guards = new Map(
    Array.from(engines, ([name, engine]) => [name, new EngineGuard(engine, guardParts)]),
  )
  const { trustDomain, foreign, mismatchStatus, ...quotas } = settings.tenants
  const provisions = new Provisions(tenantOf, timeoutMs)
  const context = {
    tenantOf,
    trustDomain,
    foreign,
    addressOf: clientAddress(settings.trustedProxies),
    networks: settings.networks,
    providers: settings.attributes,
    provisions,
    clock: settings.clock,
    engines: guards,
    timeoutMs,
    onBypass: (engine: string, route: string, hitShare: number) => {
      fastify.log.warn({ engine, route, hitShare }, 'cache bypassed: too few answers come from it')
      if (!cacheChannel.hasSubscribers) return
      cacheChannel.publish(Object.freeze<CacheEvent>({ engine, route, hitShare }))
    },
    nextIndex: () => steps++,
  }
  const { document, file, watch } = settings.policy
  const first = file === null ? new Policy(document, 'option policy') : await loadPolicy(file)
  const rules = new RouteRules(context, settings.notFound, first)
  const policy = new EnforcedPolicy(rules, first, file, (before, after) => {
    replicas?.announcePolicy()
    // Whoever proves callers otherwise than by @fastify-spiffe/peer may not be able to send them away.
    if (!fastify.hasDecorator('dismissPeers')) return
    fastify.dismissPeers(({ spiffeId }) => losesEverything(spiffeId, before, after))
  })
  const { clock } = guardParts
  const { maxTenants } = settings
  const deciderOf = (): Decider => {
    const tenantQuotas = new TenantQuotas({ ...quotas, maxTenants, clock })
    return new Decider({ cache, quotas: tenantQuotas, provisions, tenantOf })
  }
  const decider = deciderOf()
  const svids = new SvidIndex(maxTenants, tenantOf)
  // What it asks may not use up what the requests themselves may ask.
  const candidate = new Candidate(rules, deciderOf())
  const tally = new Tally()
  const { random } = settings
  const decisionLog =
    settings.decisionLog &&
    new DecisionLog({ ...settings.decisionLog, tenantOf, clock: settings.clock, random })
  if (settings.replicas !== null) {
    const { clock: now } = settings
    replicas = new Replicas({
      ...settings.replicas,
      clock: now,
      ...replica(fastify, cache, policy),
    })
  }
  const gate = new Gate({
    name: `spiffeAuthz${++registrations}`,
    rules,
    decider,
    candidate,
    tally,
    lastDecisionHeader: settings.lastDecisionHeader,
    mismatchStatus,
    decisionLog,
    svids,
    clock: settings.clock,
  })
  const coverage = new Coverage(gate.hook.name)

  fastify.decorate(
    'authz',
    authzOf({
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
    }),
  )
  if (tenantOf !== null) decorateTenant(fastify, tenantOf)
  fastify.addHook('onRoute', function addRoute(route) {
    coverage.add(route, rules.attach(this, route))
  })
  fastify.addHook('onRequest', gate.hook)
  let endWatching: (() => void) | undefined
  fastify.addHook('onClose', async () => {
    endWatching?.()
    await Promise.all([decisionLog?.flush(), replicas?.close()])
    const closing = [...engines.values(), ...settings.attributes.values()]
    await Promise.all(closing.map(async (it) => it.close?.()))
  })
  fastify.addHook('onReady', async () => {
    coverage.assertComplete(fastify)
    await policy.boot()
    await replicas?.start()
    if (file !== null && watch) endWatching = follow(fastify, file, policy)
  })
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

/** What the replicas of this service see of this one. */
function replica(
  fastify: FastifyInstance,
  cache: DecisionCache,
  policy: EnforcedPolicy,
): Pick<ReplicasParts, 'invalidate' | 'policyVersion' | 'adoptPolicy'> {
  return {
    invalidate: (scope) => cache.invalidate(scope === EVERYBODY ? undefined : tenantKeyOf(scope)),
    policyVersion: () => policy.version,
    adoptPolicy: async () => {
      await policy.replace().catch((error: unknown) => {
        const fields = { err: error, policyVersion: policy.version }
        fastify.log.error(fields, 'another replica has another policy, which cannot be read here')
      })
    },
  }
}
