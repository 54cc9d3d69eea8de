import { AttributeResolver } from '../attributes/resolver.ts'
import { DecisionCache } from '../cache/decision-cache.ts'
import { cacheChannel, type CacheEvent } from '../cache/events.ts'
import type { Call, CallReader } from '../call.ts'
import { DecisionLog, type LostDecisions } from '../decision-log/decision-log.ts'
import { loadPolicy } from '../document/load.ts'
import { Policy } from '../document/policy.ts'
import { EngineGuard } from '../engines/guard.ts'
import { callerAsSubject } from '../principals/behalf.ts'
import { Evaluator } from '../evaluation/evaluator.ts'
import { enforcing } from '../evaluation/methods.ts'
import { TenantQuotas } from '../principals/quota.ts'
import { SeenSvids } from '../principals/seen-svids.ts'
import {
  compileTenantTemplate,
  partsOfKey,
  tenantKeys,
  type TenantResolver,
} from '../principals/tenant.ts'
import { Replicas } from '../replicas/replicas.ts'
import { ALL_TENANTS, tenantKeyOf } from '../replicas/scope.ts'
import { ActivePolicy } from '../rollout/active-policy.ts'
import { Candidate } from '../rollout/candidate.ts'
import { ShadowCounters } from '../rollout/shadow-counters.ts'
import type { RuleContext } from '../rules/compile.ts'
import { type RuleFinder, RuleTable } from '../rules/rule-table.ts'
import type { PolicyLog, TransportAdapter } from './adapter.ts'
import { adoptable } from './adoptable.ts'
import { DecisionPoint } from './decision-point.ts'
import type { PolicySettings } from './options.ts'

/** Everything that one decision point works with. */
export interface Parts<C extends Call = Call, F extends RuleFinder<C> = RuleFinder<C>> {
  readonly adapter: TransportAdapter<C, F>
  readonly settings: PolicySettings
  /** `null` without the option `tenant`. */
  readonly tenantOf: TenantResolver | null
  readonly resolver: AttributeResolver
  readonly guards: ReadonlyMap<string, EngineGuard>
  readonly cache: DecisionCache
  readonly table: RuleTable
  /** What the adapter binds calls to the table with. */
  readonly finder: F
  readonly policy: ActivePolicy
  /** `null`: this is the only replica. */
  readonly replicas: Replicas | null
  readonly candidate: Candidate
  readonly shadow: ShadowCounters
  readonly svids: SeenSvids
  readonly decisionLog: DecisionLog | null
  readonly point: DecisionPoint<C>
}

type Foundation = Pick<Parts, 'tenantOf' | 'resolver' | 'guards'>

type ReaderAndLog = Pick<TransportAdapter, 'reader' | 'log'>

/** Milliseconds that only go forward. */
const monotonic = (): number => performance.now()

/**
 * Makes the parts out of the options.
 *
 * @throws {PolicyError} `invalid-rule`, `invalid-policy`
 */
export async function assemble<C extends Call, F extends RuleFinder<C>>(
  settings: PolicySettings,
  adapter: TransportAdapter<C, F>,
): Promise<Parts<C, F>> {
  const { reader } = adapter
  const foundation = layFoundation(settings, reader)
  const first = await openPolicy(settings.policy)
  // The cache asks the replicas whether it may be used, and they make it forget.
  const link: { replicas: Replicas | null } = { replicas: null }
  const isCurrent = (): boolean => link.replicas?.isCurrent ?? true
  const cache = new DecisionCache({ ...settings, isCurrent })
  const context = ruleContext(settings, adapter, foundation, cache)
  const table = new RuleTable(context, settings.notFound, first)
  const finder = adapter.bind(table)
  const policy = new ActivePolicy(table, first, settings.policy.file, (replacement) => {
    if (!replacement.isAdopted) link.replicas?.publishPolicy()
    adapter.onReplaced(replacement)
  })
  link.replicas = replicasOf(settings, adapter.log, cache, policy)
  const evaluator = new Evaluator(enforcing(reader))
  // What a candidate asks may not use up what the requests themselves may ask.
  const quotas = quotasOf(settings)
  const candidate = new Candidate({ reader, table, finder, evaluator, quotas })
  const shadow = new ShadowCounters(reader)
  const svids = new SeenSvids(settings.maxTenants, foundation.tenantOf)
  const decisionLog = decisionLogOf(settings, adapter, foundation.tenantOf)
  const { clock } = settings
  const { onRecordError } = adapter
  const recorders = { candidate, shadow, svids, decisionLog, onRecordError }
  return {
    ...foundation,
    ...recorders,
    adapter,
    settings,
    cache,
    table,
    finder,
    policy,
    replicas: link.replicas,
    point: new DecisionPoint<C>({ reader, table, finder, evaluator, clock, ...recorders }),
  }
}

function layFoundation(
  { tenant, timeoutMs, engines, random }: PolicySettings,
  reader: CallReader,
): Foundation {
  const tenantOf = tenant === undefined ? null : compileTenantTemplate(tenant)
  const guards = Array.from(engines.values(), (engine) => {
    const parts = { clock: monotonic, random, hasTenants: tenantOf !== null }
    return [engine.name, new EngineGuard(engine, parts)] as const
  })
  const resolver = new AttributeResolver(reader, tenantOf, timeoutMs)
  return { tenantOf, resolver, guards: new Map(guards) }
}

async function openPolicy({ document, file }: PolicySettings['policy']): Promise<Policy> {
  return file === null ? new Policy(document, 'option policy') : loadPolicy(file)
}

/** What rules are compiled with. */
function ruleContext(
  settings: PolicySettings,
  { reader, log }: ReaderAndLog,
  { tenantOf, resolver, guards }: Foundation,
  cache: DecisionCache,
): Omit<RuleContext, 'roles'> {
  let requirements = 0
  return {
    tenantOf,
    tenantSubject: callerAsSubject,
    isTenantOfOrigin: settings.isTenantOfOrigin,
    tenantKeyOf: tenantKeys(tenantOf),
    trustDomain: settings.tenants.trustDomain,
    foreign: settings.tenants.foreign,
    reader,
    networks: settings.networks,
    providers: settings.attributes,
    resolver,
    cache,
    quotas: quotasOf(settings),
    clock: settings.clock,
    engines: guards,
    timeoutMs: settings.timeoutMs,
    onBypass: (engine, route, bypass) => {
      const event: CacheEvent = { engine, route, hitRate: bypass.hitRate }
      const [trustDomain, tenant] = partsOfKey(bypass.tenant)
      const message = 'cache bypassed for a tenant: too few of its answers come from there'
      log.warn({ ...event, trustDomain, tenant }, message)
      if (cacheChannel.hasSubscribers) cacheChannel.publish(Object.freeze(event))
    },
    nextIndex: () => requirements++,
  }
}

function quotasOf({ tenants, maxTenants }: PolicySettings): TenantQuotas {
  const { maxInFlight, maxEvaluationsPerSecond } = tenants
  return new TenantQuotas({ maxInFlight, maxEvaluationsPerSecond, maxTenants, clock: monotonic })
}

function decisionLogOf(
  { decisionLog, clock, random }: PolicySettings,
  { reader, log }: ReaderAndLog,
  tenantOf: TenantResolver | null,
): DecisionLog | null {
  if (decisionLog === null) return null
  const onLost = (lost: LostDecisions): void =>
    log.error(lost, 'decision log not written before the application closed')
  return new DecisionLog({ ...decisionLog, reader, tenantOf, clock, random, onLost })
}

/** What the replicas of this service get from this one, and the reverse. */
function replicasOf(
  { replicas, clock }: PolicySettings,
  log: PolicyLog,
  cache: DecisionCache,
  policy: ActivePolicy,
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
