import type { FastifyInstance } from 'fastify'
import { DecisionCache } from './cache/decision-cache.ts'
import { clientAddress } from './client/address.ts'
import { Provisions } from './condition/provisions.ts'
import { Decider } from './decide/decider.ts'
import { EngineGuard } from './engine/guard.ts'
import { cacheChannel, type CacheEvent } from './events.ts'
import type { PolicyInForce } from './invalidation/policy-agreement.ts'
import { Replicas } from './invalidation/replicas.ts'
import { ALL_TENANTS, tenantKeyOf } from './invalidation/scope.ts'
import { DecisionLog, type LostDecisions } from './log/decision-log.ts'
import type { Settings } from './options/options.ts'
import { losesEverything } from './policy/dismissal.ts'
import { EnforcedPolicy } from './policy/enforced-policy.ts'
import { loadPolicy } from './policy/load.ts'
import { Policy } from './policy/policy.ts'
import { warnOfUnprovable } from './policy/unprovable.ts'
import { PublicRoutes } from './route-coverage/public-routes.ts'
import type { RuleContext } from './rule/compile.ts'
import { routerSettings } from './routing/router-settings.ts'
import { RouteRules } from './rule/route-rules.ts'
import type { RuleSet } from './rule/rule-set.ts'
import { Candidate } from './shadow/candidate.ts'
import { Tally } from './shadow/tally.ts'
import { TenantQuotas } from './tenant/quota.ts'
import { SvidIndex } from './tenant/svid-index.ts'
import { compileTenantTemplate, partsOfKey, type TenantResolver } from './tenant/tenant.ts'

/** Everything that one registration of the plugin works with. */
export interface Parts {
  /** `null` without the option `tenant`. */
  readonly tenantOf: TenantResolver | null
  readonly provisions: Provisions
  readonly guards: ReadonlyMap<string, EngineGuard>
  readonly rules: RouteRules
  readonly publicRoutes: PublicRoutes
  readonly cache: DecisionCache
  readonly policy: EnforcedPolicy
  /** `null`: this is the only replica. */
  readonly replicas: Replicas | null
  readonly decider: Decider
  readonly candidate: Candidate
  readonly tally: Tally
  readonly svids: SvidIndex
  readonly decisionLog: DecisionLog | null
}

type Foundation = Pick<Parts, 'tenantOf' | 'provisions' | 'guards'>

/** Milliseconds that only go forward. */
const monotonic = (): number => performance.now()

/**
 * Makes the parts out of the options.
 *
 * @throws {AuthzError} `unknown-option`, `invalid-option`, `invalid-rule`, `invalid-policy`
 */
export async function assemble(fastify: FastifyInstance, settings: Settings): Promise<Parts> {
  const foundation = layFoundation(settings)
  const { tenantOf } = foundation
  const first = await openPolicy(settings.policy)
  const context = ruleContext(fastify, settings, foundation)
  const rules = new RouteRules(context, settings.notFound, first, routerSettings(fastify))
  const publicRoutes = new PublicRoutes(fastify, rules)
  // The cache asks the replicas whether it may be used, and they tell it what to forget.
  const link: { replicas: Replicas | null } = { replicas: null }
  const cache = new DecisionCache({
    ...settings,
    isCurrent: () => link.replicas?.isCurrent ?? true,
  })
  const policy = new EnforcedPolicy(
    rules,
    first,
    settings.policy.file,
    ({ before, after, isAdopted }) => {
      if (!isAdopted) link.replicas?.publishPolicy()
      dismissRefused(fastify, before, after)
      publicRoutes.check()
      warnOfUnprovable(fastify, after)
    },
  )
  link.replicas = replicasOf(fastify, settings, cache, policy)
  const makeDecider = (): Decider => deciderOf(settings, foundation, cache)
  return {
    ...foundation,
    rules,
    publicRoutes,
    cache,
    policy,
    replicas: link.replicas,
    decider: makeDecider(),
    // What it asks may not use up what the requests themselves may ask.
    candidate: new Candidate(rules, makeDecider()),
    tally: new Tally(),
    svids: new SvidIndex(settings.maxTenants, tenantOf),
    decisionLog: decisionLogOf(fastify, settings, tenantOf),
  }
}

function layFoundation({ tenant, timeoutMs, engines, random }: Settings): Foundation {
  const tenantOf = tenant === undefined ? null : compileTenantTemplate(tenant)
  const guards = Array.from(engines.values(), (engine) => {
    const parts = { clock: monotonic, random, hasTenants: tenantOf !== null }
    return [engine.name, new EngineGuard(engine, parts)] as const
  })
  return { tenantOf, provisions: new Provisions(tenantOf, timeoutMs), guards: new Map(guards) }
}

async function openPolicy({ document, file }: Settings['policy']): Promise<Policy> {
  return file === null ? new Policy(document, 'option policy') : loadPolicy(file)
}

/** What rules are compiled with. */
function ruleContext(
  fastify: FastifyInstance,
  settings: Settings,
  { tenantOf, provisions, guards }: Foundation,
): Omit<RuleContext, 'roles'> {
  let steps = 0
  return {
    tenantOf,
    trustDomain: settings.tenants.trustDomain,
    foreign: settings.tenants.foreign,
    addressOf: clientAddress(settings.trustedProxies),
    networks: settings.networks,
    providers: settings.attributes,
    provisions,
    clock: settings.clock,
    engines: guards,
    timeoutMs: settings.timeoutMs,
    onBypass: (engine, route, bypass) => {
      const event: CacheEvent = { engine, route, hitShare: bypass.hitRate }
      const [trustDomain, tenant] = partsOfKey(bypass.tenant)
      const message = 'cache bypassed for a tenant: too few of its answers come from there'
      fastify.log.warn({ ...event, trustDomain, tenant }, message)
      if (cacheChannel.hasSubscribers) cacheChannel.publish(Object.freeze(event))
    },
    nextIndex: () => steps++,
  }
}

function deciderOf(
  { tenants, maxTenants }: Settings,
  { tenantOf, provisions }: Foundation,
  cache: DecisionCache,
): Decider {
  const { maxInFlight, maxEvaluationsPerSecond } = tenants
  const bounds = { maxInFlight, maxEvaluationsPerSecond, maxTenants }
  const quotas = new TenantQuotas({ ...bounds, clock: monotonic })
  return new Decider({ cache, quotas, provisions, tenantOf })
}

function decisionLogOf(
  fastify: FastifyInstance,
  { decisionLog, clock, random }: Settings,
  tenantOf: TenantResolver | null,
): DecisionLog | null {
  if (decisionLog === null) return null
  const onLost = (lost: LostDecisions): void =>
    fastify.log.error(lost, 'decision log not written before the application closed')
  return new DecisionLog({ ...decisionLog, tenantOf, clock, random, onLost })
}

/** What the replicas of this service hear of this one, and tell it. */
function replicasOf(
  { log }: FastifyInstance,
  { replicas, clock }: Settings,
  cache: DecisionCache,
  policy: EnforcedPolicy,
): Replicas | null {
  if (replicas === null) return null
  return new Replicas({
    ...replicas,
    clock,
    log,
    policy: adoptable(policy, log),
    invalidate: (scope) => cache.invalidate(scope === ALL_TENANTS ? undefined : tenantKeyOf(scope)),
  })
}

/** The policy in force as replicas know it: they can put in force what the policy file holds, and nothing else. */
function adoptable(policy: EnforcedPolicy, log: FastifyInstance['log']): PolicyInForce {
  let failure = ''
  return {
    get version() {
      return policy.version
    },
    get digest() {
      return policy.digest
    },
    adopt: async (digest, isWanted) => {
      const { isFromFile, version } = policy
      try {
        const isAdopted = await policy.adopt(digest, isWanted)
        if (!isAdopted || isFromFile) return
        const fields = { former: version, policyVersion: policy.version }
        log.warn(
          fields,
          'the policy document that code put in force gave way to a later policy file',
        )
      } catch (error) {
        // It is tried again with each heartbeat.
        if (String(error) === failure) return
        failure = String(error)
        const fields = { err: error, policyVersion: version }
        log.error(fields, 'the policy that other replicas have cannot be put in force here')
      }
    },
  }
}

/** Sends away the callers for whom the former rules had something, and the new ones have nothing. */
function dismissRefused(fastify: FastifyInstance, before: RuleSet, after: RuleSet): void {
  // Whoever proves callers otherwise than by @fastify-spiffe/peer may not be able to send them away.
  if (!fastify.hasDecorator('disconnectPeers')) return
  fastify.disconnectPeers(({ spiffeId }) => losesEverything(spiffeId, before, after))
}
