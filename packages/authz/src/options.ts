import type { BlockList } from 'node:net'
import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import type { FastifyRequest } from 'fastify'
import { ATTRIBUTES } from './call/reader.ts'
import {
  asFunction,
  assertKnown,
  asInteger,
  type DecisionLogSettings,
  asDuration,
  type NetworkClasses,
  readDecisionLog,
  readEngines,
  readNetworks,
  readProviders,
  readReplicas,
  readTemplate,
  readTenants,
  readTrustedProxies,
  refuse,
  type ReplicasSettings,
  type TenantsSettings,
} from '@fastify-spiffe/policy/internal'
import type {
  AttributeProvider as PolicyAttributeProvider,
  DecisionLogOptions,
  Engine,
  PolicyDocument,
  ReplicasOptions,
  RouteRule,
  TenantsOptions,
  TenantTemplate,
} from '@fastify-spiffe/policy'

/** Brings a group of attributes that requests do not carry by themselves, such as the claims of a token. */
export type AttributeProvider = PolicyAttributeProvider<FastifyRequest>

/** What the plugin is registered with. Every option has a default. */
export interface AuthzOptions {
  /**
   * The path of an identity that belongs to a tenant, such as `/{tenant}/{workload}`: one segment is captured as
   * `tenant`. Or such a template for each trust domain, by its name: identities of others have no tenant then. Without
   * the option nobody has a tenant.
   */
  readonly tenant?: TenantTemplate
  /** How tenants are kept apart. */
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
  readonly attributes?: readonly AttributeProvider[]
  /**
   * Networks by names, for the attribute `network`: `{ office: ['10.0.0.0/8', 'fd00::/8'] }`. The first that has the
   * client's address counts. Default: none.
   */
  readonly networks?: Readonly<Record<string, readonly string[]>>
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. Default: none is. */
  readonly trustedProxies?: readonly string[]
  /** Engines that rules can ask, by their names. They are closed with the application. Default: none. */
  readonly engines?: readonly Engine[]
  /** How many decisions of conditions and engines are remembered, and for how long. */
  readonly cache?: {
    /** Tenants of one trust domain with remembered decisions; its least recently used is forgotten first. Default 1024. */
    readonly maxTenants?: number
    /** Decisions remembered for each tenant, at least 2. Default 1024. */
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
  /**
   * A response header that names the engine where its last decision stood in for one that it failed to make. It tells
   * callers of an outage. Default: none.
   */
  readonly lastDecisionHeader?: string
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
export interface Settings {
  readonly tenant: TenantTemplate | undefined
  readonly tenants: TenantsSettings
  readonly notFound: unknown
  readonly policy: {
    readonly document: PolicyDocument
    /** `null`: the document comes with the options. */
    readonly file: string | null
    readonly watch: boolean
  }
  readonly engines: ReadonlyMap<string, Engine>
  readonly attributes: ReadonlyMap<string, PolicyAttributeProvider>
  readonly networks: NetworkClasses
  readonly trustedProxies: BlockList | null
  readonly maxTenants: number
  readonly maxDecisionsPerTenant: number
  readonly allowTtlMs: number
  readonly denyTtlMs: number
  readonly replicas: ReplicasSettings | null
  readonly decisionLog: DecisionLogSettings | null
  readonly lastDecisionHeader: string | null
  readonly timeoutMs: number
  readonly policyVersion: () => string | number
  readonly clock: () => number
  readonly random: () => number
}

const KEYS: readonly string[] = [
  'tenant',
  'tenants',
  'notFound',
  'policy',
  'engines',
  'attributes',
  'networks',
  'trustedProxies',
  'cache',
  'replicas',
  'decisionLog',
  'lastDecisionHeader',
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

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {AuthzError} `unknown-option`, `invalid-option`
 */
export function readOptions(options: AuthzOptions): Settings {
  assertKnown('authz', options, [...KEYS, ...FASTIFY_OPTION_NAMES])
  const { cache = {} } = options
  if (typeof cache !== 'object' || cache === null) refuse('cache', cache, 'must be an object')
  assertKnown('cache', cache, CACHE_KEYS)

  return {
    tenant: readTemplate(options.tenant),
    tenants: readTenants(options.tenants ?? {}),
    notFound: options.notFound,
    policy: readPolicy(options.policy),
    engines: readEngines(options.engines ?? []),
    attributes: readProviders(options.attributes ?? [], ATTRIBUTES),
    networks: readNetworks(options.networks ?? {}),
    trustedProxies: readTrustedProxies(options.trustedProxies),
    maxTenants: asInteger('cache.maxTenants', cache.maxTenants, 1024, 1),
    maxDecisionsPerTenant: asInteger(
      'cache.maxDecisionsPerTenant',
      cache.maxDecisionsPerTenant,
      1024,
      2,
    ),
    allowTtlMs: asDuration('cache.allowTtlMs', cache.allowTtlMs, 30_000),
    denyTtlMs: asDuration('cache.denyTtlMs', cache.denyTtlMs, 2000),
    replicas: options.replicas === undefined ? null : readReplicas(options.replicas),
    decisionLog: options.decisionLog === undefined ? null : readDecisionLog(options.decisionLog),
    lastDecisionHeader: readHeader(options.lastDecisionHeader),
    timeoutMs: asDuration('timeoutMs', options.timeoutMs, 200),
    policyVersion: asFunction('policyVersion', options.policyVersion, () => 0),
    clock: asFunction('clock', options.clock, Date.now),
    random: asFunction('random', options.random, Math.random),
  }
}

function readHeader(name: string | undefined): string | null {
  if (name === undefined) return null
  const isName = typeof name === 'string' && /^[a-z0-9-]{1,100}$/.test(name)
  return isName ? name : refuse('lastDecisionHeader', name, 'must be a header name in lower case')
}

function readPolicy(policy: AuthzOptions['policy'] = { version: 'code' }): Settings['policy'] {
  if (typeof policy !== 'object' || policy === null) refuse('policy', policy, 'must be an object')
  if (!('file' in policy)) return { document: policy, file: null, watch: false }
  assertKnown('policy', policy, ['file', 'watch'])
  const { file, watch = false } = policy
  if (typeof file !== 'string' || file === '') refuse('policy.file', file, 'must be a path')
  if (typeof watch !== 'boolean') refuse('policy.watch', watch, 'must be a boolean')
  return { document: {}, file, watch }
}
