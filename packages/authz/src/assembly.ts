import type { FastifyInstance } from 'fastify'
import {
  ALL_TENANTS,
  cacheChannel,
  Candidate,
  compileTenantTemplate,
  Decider,
  DecisionCache,
  DecisionLog,
  EnforcedPolicy,
  EngineGuard,
  loadPolicy,
  losesEverything,
  type LostDecisions,
  partsOfKey,
  Policy,
  type PolicyInForce,
  Provisions,
  Replicas,
  RuleTable,
  type RuleContext,
  type RuleSet,
  SvidIndex,
  Tally,
  tenantKeyOf,
  TenantQuotas,
  type TenantResolver,
} from '@fastify-spiffe/policy/internal'
import { RequestReader } from './call/reader.ts'
import { RouteBinding } from './routes/route-binding.ts'
import type { CacheEvent } from '@fastify-spiffe/policy'
import type { Settings } from './options.ts'
import { warnOfUnprovable } from './unprovable.ts'
import { PublicRoutes } from './route-coverage/public-routes.ts'
import { routerSettings } from './routing/router-settings.ts'

/** Everything that one registration of the plugin works with. */
export interface Parts {
  /** `null` without the option `tenant`. */
  readonly tenantOf: TenantResolver | null
  readonly provisions: Provisions
  readonly guards: ReadonlyMap<string, EngineGuard>
  readonly reader: RequestReader
  readonly table: RuleTable
  readonly finder: RouteBinding
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

type Foundation = Pick<Parts, 'reader' | 'tenantOf' | 'provisions' | 'guards'>

/** Milliseconds that only go forward. */
const monotonic = (): number => performance.now()

/**
 * Makes the parts out of the options.
 *
 * @throws {AuthzError} `unknown-option`, `invalid-option`, `invalid-rule`, `invalid-policy`
 */
export async function assemble(fastify: FastifyInstance, settings: Settings): Promise<Parts> {
  const foundation = layFoundation(settings)
  const { reader, tenantOf } = foundation
  const first = await openPolicy(settings.policy)
  const context = ruleContext(fastify, settings, foundation)
  const table = new RuleTable(context, settings.notFound, first)
  const finder = new RouteBinding(table, routerSettings(fastify))
  const publicRoutes = new PublicRoutes(fastify, table)
  // The cache asks the replicas whether it may be used, and they tell it what to forget.
  const link: { replicas: Replicas | null } = { replicas: null }
  const cache = new DecisionCache({
    ...settings,
    isCurrent: () => link.replicas?.isCurrent ?? true,
  })
  const policy = new EnforcedPolicy(
    table,
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
    table,
    finder,
    publicRoutes,
    cache,
    policy,
    replicas: link.replicas,
    decider: makeDecider(),
    // What it asks may not use up what the requests themselves may ask.
    candidate: new Candidate({ reader, routes: table, finder, decider: makeDecider() }),
    tally: new Tally(reader),
    svids: new SvidIndex(settings.maxTenants, tenantOf),
    decisionLog: decisionLogOf(fastify, settings, foundation),
  }
}

function layFoundation(settings: Settings): Foundation {
  const { tenant, timeoutMs, engines, random, trustedProxies } = settings
  const reader = new RequestReader(trustedProxies)
  const tenantOf = tenant === undefined ? null : compileTenantTemplate(tenant)
  const guards = Array.from(engines.values(), (engine) => {
    const parts = { clock: monotonic, random, hasTenants: tenantOf !== null }
    return [engine.name, new EngineGuard(engine, parts)] as const
  })
  const provisions = new Provisions(reader, tenantOf, timeoutMs)
  return { reader, tenantOf, provisions, guards: new Map(guards) }
}

async function openPolicy({ document, file }: Settings['policy']): Promise<Policy> {
  return file === null ? new Policy(document, 'option policy') : loadPolicy(file)
}

/** What rules are compiled with. */
function ruleContext(
  fastify: FastifyInstance,
  settings: Settings,
  { reader, tenantOf, provisions, guards }: Foundation,
): Omit<RuleContext, 'roles'> {
  let steps = 0
  return {
    tenantOf,
    trustDomain: settings.tenants.trustDomain,
    foreign: settings.tenants.foreign,
    reader,
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
  { reader, tenantOf, provisions }: Foundation,
  cache: DecisionCache,
): Decider {
  const { maxInFlight, maxEvaluationsPerSecond } = tenants
  const bounds = { maxInFlight, maxEvaluationsPerSecond, maxTenants }
  const quotas = new TenantQuotas({ ...bounds, clock: monotonic })
  return new Decider({ reader, cache, quotas, provisions, tenantOf })
}

function decisionLogOf(
  fastify: FastifyInstance,
  { decisionLog, clock, random }: Settings,
  { reader, tenantOf }: Foundation,
): DecisionLog | null {
  if (decisionLog === null) return null
  const onLost = (lost: LostDecisions): void =>
    fastify.log.error(lost, 'decision log not written before the application closed')
  return new DecisionLog({ ...decisionLog, reader, tenantOf, clock, random, onLost })
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
