import { FileWatcher } from '@fastify-spiffe/files'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { Call } from '../call.ts'
import type { TenantResolver } from '../principals/tenant.ts'
import { publicRoutesIn } from '../report/public-routes.ts'
import { trustDomainsIn } from '../report/trust-domains.ts'
import type { RuleFinder } from '../rules/rule-table.ts'
import type { TransportAdapter } from './adapter.ts'
import { assemble, type Parts } from './assembly.ts'
import { controlsOf, type PolicyControls } from './controls.ts'
import type { DecisionPoint } from './decision-point.ts'
import { type PolicyOptions, type PolicySettings, readPolicyOptions } from './options.ts'

/** A decision point, and what goes with it through the life of an application. */
export interface OpenDecisionPoint<C extends Call, F extends RuleFinder<C>> {
  /** Decides calls. */
  readonly point: DecisionPoint<C>
  /** What the adapter has made by `bind`. */
  readonly finder: F
  readonly controls: PolicyControls<C>
  /** Finds the tenant of an identity; `null` without the option `tenant`. */
  readonly tenantOf: TenantResolver | null
  /** Whose tenant a call is about; `null` without `tenantOf: 'origin'`: it is that of the caller. */
  readonly tenantSubject: ((call: C) => SpiffeId | null) | null
  /** Method and pattern of each route that a `public` rule opens to everybody. */
  publicRoutes(): readonly string[]
  /** All trust domains that the rules in force name, those of matchers that do not say theirs left out. */
  trustDomains(): ReadonlySet<string>
  /**
   * Tests the policy, when all routes are declared: nothing is decided before.
   *
   * @throws {PolicyError} `invalid-rule`, `policy-test-failed`
   */
  boot(): Promise<void>
  /** Begins to listen to other replicas, and to follow the policy file. */
  follow(): Promise<void>
  /** Ends all that runs, and closes the engines and the providers of attributes. */
  close(): Promise<void>
}

/**
 * Opens a decision point with options.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`, `invalid-rule`, `invalid-policy`
 */
export async function openDecisionPoint<C extends Call, F extends RuleFinder<C>>(
  options: PolicyOptions<C>,
  adapter: TransportAdapter<C, F>,
): Promise<OpenDecisionPoint<C, F>> {
  return openWith(readPolicyOptions(options, adapter.reader.attributes), adapter)
}

/** The same with options that were read already. */
export async function openWith<C extends Call, F extends RuleFinder<C>>(
  settings: PolicySettings,
  adapter: TransportAdapter<C, F>,
): Promise<OpenDecisionPoint<C, F>> {
  const parts = await assemble(settings, adapter)
  const { point, table, policy, replicas, finder, tenantOf, settings: read } = parts
  let watcher: FileWatcher | undefined
  return {
    point,
    finder,
    controls: controlsOf(parts),
    tenantOf,
    tenantSubject: read.isTenantOfOrigin ? (call) => tenantSubjectOf(parts, call) : null,
    publicRoutes: () => publicRoutesIn(table),
    trustDomains: () => trustDomainsIn(table.active),
    boot: () => policy.boot(),
    follow: async () => {
      await replicas?.start()
      watcher = watch(parts)
      await watcher?.look()
    },
    close: async () => {
      watcher?.close()
      await close(parts)
    },
  }
}

function tenantSubjectOf<C extends Call, F extends RuleFinder<C>>(
  { adapter, finder, table }: Parts<C, F>,
  call: C,
): SpiffeId | null {
  const caller = adapter.reader.caller(call)
  if (caller === null) return null
  const rule = finder.ruleOf(call, table.active)
  return rule === null ? caller.spiffeId : rule.tenantSubject(call, caller)
}

async function close<C extends Call, F extends RuleFinder<C>>(parts: Parts<C, F>): Promise<void> {
  const { settings, decisionLog, replicas } = parts
  await Promise.all([decisionLog?.close(), replicas?.close()])
  const closing = [...settings.engines.values(), ...settings.attributes.values()]
  await Promise.all(closing.map(async (each) => each.close?.()))
}

/** Reads the policy file again whenever it changes. */
function watch<C extends Call, F extends RuleFinder<C>>({
  settings,
  policy,
  adapter,
}: Parts<C, F>): FileWatcher | undefined {
  const { file, watch: isWatched } = settings.policy
  if (file === null || !isWatched) return undefined
  const { log } = adapter
  const onChange = (): void => {
    policy.refresh().catch((error: unknown) => {
      const fields = { err: error, policyVersion: policy.version }
      log.error(fields, 'policy refused: the last good one stays')
    })
  }
  const onUnavailable = (message: string): void =>
    log.warn({ code: 'SPIFFE_AUTHZ_WATCH_UNAVAILABLE' }, message)
  return new FileWatcher([file], { onChange, onUnavailable })
}
