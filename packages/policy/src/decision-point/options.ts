import { type NetworkClasses, readNetworks } from '../attributes/networks.ts'
import type { AttributeProvider } from '../attributes/provider.ts'
import { readProviders } from '../attributes/providers.ts'
import type { Call, CallReader } from '../call.ts'
import {
  type DecisionLogOptions,
  type DecisionLogSettings,
  readDecisionLog,
} from '../decision-log/options.ts'
import type { PolicyDocument } from '../document/document.ts'
import type { RouteRule } from '../document/route-rule.ts'
import type { Engine } from '../engines/engine.ts'
import { readEngines } from '../engines/registry.ts'
import { asFunction, assertKnown, asInteger, asDuration, refuse } from '../option-readers.ts'
import type { TenantTemplate } from '../principals/tenant.ts'
import {
  readTemplate,
  readTenants,
  type TenantsOptions,
  type TenantsSettings,
} from '../principals/tenants-options.ts'
import { readReplicas, type ReplicasOptions, type ReplicasSettings } from '../replicas/options.ts'

/**
 * What is decided by, whatever carries the calls. Every option has a default.
 *
 * @typeParam C - what the transport hands over for a call
 */
export interface PolicyOptions<C extends Call = Call> {
  /**
   * The path of an identity that belongs to a tenant, such as `/{tenant}/{workload}`: one segment
   * is captured as `tenant`. Or such a template for each trust domain, by its name: identities of
   * other trust domains have no tenant then. Without the option no caller has a tenant.
   */
  readonly tenant?: TenantTemplate
  /**
   * Whose tenant a call is about: that of the `caller`, or of the `origin` on whose behalf it calls, for services
   * that work for several tenants. What a proxy says of an origin counts only for rules with `evidence: 'forwarded'`. Default `caller`.
   */
  readonly tenantOf?: 'caller' | 'origin'
  /** How tenants are kept apart. Default: that of each of its options. */
  readonly tenants?: TenantsOptions
  /**
   * The rule of requests that match no route: of the not-found handler, and of `OPTIONS` without a route. Without it
   * such a request is answered with 404 before a not-found handler runs.
   */
  readonly notFound?: RouteRule
  /**
   * The rules beside the code: a document, or a JSON file that holds one. With `watch`, a file is read again whenever it
   * changes; a bad one is logged, and the last good one stays. Default: none.
   */
  readonly policy?: PolicyDocument | PolicyFile
  /** What brings attributes that requests do not carry by themselves. They are closed with the application. Default: none. */
  readonly attributes?: readonly AttributeProvider<C>[]
  /**
   * Networks by names, for the attribute `network`: `{ office: ['10.0.0.0/8', 'fd00::/8'] }`. The first that has the
   * client's address counts. Default: none.
   */
  readonly networks?: Readonly<Record<string, readonly string[]>>
  /** Engines that rules can ask, by their names. They are closed with the application. Default: none. */
  readonly engines?: readonly Engine[]
  /** How many decisions are remembered, and for how long, in ms. Default: by each part. */
  readonly cache?: {
    /**
     * Tenants of one trust domain with cached decisions; its least recently used is forgotten
     * first. Default 1024.
     */
    readonly maxTenants?: number
    /** Decisions cached for each tenant, at least 2. Default 1024. */
    readonly maxDecisionsPerTenant?: number
    /** Life of an allow, ± 10 %, in milliseconds. Never longer than the caller's SVID. Default 30 000. */
    readonly allowTtlMs?: number
    /** Life of a deny, in milliseconds. Default 2 000. */
    readonly denyTtlMs?: number
  }
  /** How the replicas of a service keep their caches in step. Default: this is the only one. */
  readonly replicas?: ReplicasOptions
  /** A record of decisions for auditors. Default: none. */
  readonly decisionLog?: DecisionLogOptions
  /** How long an asynchronous check may take, in milliseconds; then the request is refused. Default 200. */
  readonly timeoutMs?: number
  /**
   * Names the version of whatever the checks consult. It is called for every decision of a condition: when its answer
   * changes, no decision that was made before is used again, not even once an earlier version returns. Default: a constant.
   */
  readonly policyVersion?: () => string | number
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /** At least 0 and less than 1, for the jitter of `allowTtlMs`. Default `Math.random`. */
  readonly random?: () => number
}

/** Where a policy document is kept. */
export interface PolicyFile {
  readonly file: string
  /** Default `false`. */
  readonly watch?: boolean
}

/** The options, checked and complete. */
export interface PolicySettings {
  readonly tenant: TenantTemplate | undefined
  readonly isTenantOfOrigin: boolean
  readonly tenants: TenantsSettings
  readonly notFound: unknown
  readonly policy: {
    readonly document: PolicyDocument
    /** `null`: the document comes with the options. */
    readonly file: string | null
    readonly watch: boolean
  }
  readonly engines: ReadonlyMap<string, Engine>
  readonly attributes: ReadonlyMap<string, AttributeProvider>
  readonly networks: NetworkClasses
  readonly maxTenants: number
  readonly maxDecisionsPerTenant: number
  readonly allowTtlMs: number
  readonly denyTtlMs: number
  readonly replicas: ReplicasSettings | null
  readonly decisionLog: DecisionLogSettings | null
  readonly timeoutMs: number
  readonly policyVersion: () => string | number
  readonly clock: () => number
  readonly random: () => number
}

const KEYS: readonly string[] = [
  'tenant',
  'tenantOf',
  'tenants',
  'notFound',
  'policy',
  'engines',
  'attributes',
  'networks',
  'cache',
  'replicas',
  'decisionLog',
  'timeoutMs',
  'policyVersion',
  'clock',
  'random',
]
const CACHE_KEYS: readonly string[] = [
  'maxTenants',
  'maxDecisionsPerTenant',
  'allowTtlMs',
  'denyTtlMs',
]

interface OptionsOfAdapter {
  readonly names?: readonly string[]
  readonly ofTenants?: readonly string[]
  /** What has the options. Default `authz`. */
  readonly owner?: string
}

/**
 * Checks the options and fills in the defaults.
 *
 * @param ofCalls - the attributes that calls carry by themselves
 * @param ofAdapter - further options that the adapter has, at the top and of `tenants`, and its name for errors
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function readPolicyOptions<C extends Call>(
  options: PolicyOptions<C>,
  ofCalls: CallReader['attributes'],
  ofAdapter: OptionsOfAdapter = {},
): PolicySettings {
  assertNames(options, ofAdapter)
  return {
    tenant: readTemplate(options.tenant),
    isTenantOfOrigin: readTenantOf(options.tenantOf),
    tenants: readTenants(options.tenants ?? {}, ofAdapter.ofTenants ?? []),
    notFound: options.notFound,
    policy: readPolicy(options.policy),
    engines: readEngines(options.engines ?? []),
    attributes: readProviders(options.attributes ?? [], ofCalls),
    networks: readNetworks(options.networks ?? {}),
    ...readCache(options.cache),
    replicas: options.replicas === undefined ? null : readReplicas(options.replicas),
    decisionLog: options.decisionLog === undefined ? null : readDecisionLog(options.decisionLog),
    timeoutMs: asDuration('timeoutMs', options.timeoutMs, 200),
    policyVersion: asFunction('policyVersion', options.policyVersion, () => 0),
    clock: asFunction('clock', options.clock, Date.now),
    random: asFunction('random', options.random, Math.random),
  }
}

function assertNames(options: object, { owner = 'authz', names = [] }: OptionsOfAdapter): void {
  assertKnown(owner, options, [...KEYS, ...names])
}

function readTenantOf(tenantOf: unknown = 'caller'): boolean {
  if (tenantOf === 'caller' || tenantOf === 'origin') return tenantOf === 'origin'
  return refuse('tenantOf', tenantOf, 'must be caller or origin')
}

type CacheSettings = Pick<
  PolicySettings,
  'maxTenants' | 'maxDecisionsPerTenant' | 'allowTtlMs' | 'denyTtlMs'
>

function readCache(cache: PolicyOptions['cache'] = {}): CacheSettings {
  if (typeof cache !== 'object' || cache === null) refuse('cache', cache, 'must be an object')
  assertKnown('cache', cache, CACHE_KEYS)
  const { maxTenants, maxDecisionsPerTenant, allowTtlMs, denyTtlMs } = cache
  return {
    maxTenants: asInteger('cache.maxTenants', maxTenants, 1024, 1),
    maxDecisionsPerTenant: asInteger('cache.maxDecisionsPerTenant', maxDecisionsPerTenant, 1024, 2),
    allowTtlMs: asDuration('cache.allowTtlMs', allowTtlMs, 30_000),
    denyTtlMs: asDuration('cache.denyTtlMs', denyTtlMs, 2000),
  }
}

function readPolicy(
  policy: PolicyOptions['policy'] = { version: 'code' },
): PolicySettings['policy'] {
  if (typeof policy !== 'object' || policy === null) refuse('policy', policy, 'must be an object')
  if (!('file' in policy)) return { document: policy, file: null, watch: false }
  assertKnown('policy', policy, ['file', 'watch'])
  const { file, watch = false } = policy
  if (typeof file !== 'string' || file === '') refuse('policy.file', file, 'must be a path')
  if (typeof watch !== 'boolean') refuse('policy.watch', watch, 'must be a boolean')
  return { document: {}, file, watch }
}
