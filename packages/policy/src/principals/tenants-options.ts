import { describeName } from '@fastify-spiffe/spiffe/internal'
import { assertKnown, asInteger, refuse } from '../option-readers.ts'
import { parseTrustDomain, type TenantTemplate } from './tenant.ts'

/** How tenants are kept apart. */
export interface TenantsOptions {
  /**
   * The trust domain whose tenants requests name. Needed by rules with the key `tenant`. Default:
   * none.
   */
  readonly trustDomain?: string
  /**
   * Tenants of other trust domains that may touch data of ours: by trust domain and tenant, the name of the tenant here.
   * A tenant that is not listed may touch nothing, whatever its name. Default: none.
   */
  readonly foreign?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /**
   * Evaluations of conditions and engines that one tenant may have under way. Conditions that are `always` fresh and
   * engines of cost `inline` do not asInteger. Default: as many as it likes.
   */
  readonly maxInFlight?: number
  /** And have begun within a second. What the cache answers does not asInteger. Default: as many as it likes. */
  readonly maxEvaluationsPerSecond?: number
}

/** The options, checked and complete. */
export interface TenantsSettings {
  readonly trustDomain: string | null
  readonly foreign: ReadonlyMap<string, ReadonlyMap<string, string>>
  readonly maxInFlight: number
  readonly maxEvaluationsPerSecond: number
}

const KEYS = ['trustDomain', 'foreign', 'maxInFlight', 'maxEvaluationsPerSecond']

/**
 * The option `tenants`.
 *
 * @param ofAdapter - further keys that the adapter reads itself
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function readTenants(
  options: TenantsOptions,
  ofAdapter: readonly string[],
): TenantsSettings {
  if (typeof options !== 'object' || options === null) {
    return refuse('tenants', options, 'must be an object')
  }
  assertKnown('tenants', options, [...KEYS, ...ofAdapter])
  const { trustDomain, foreign = {} } = options
  return {
    trustDomain:
      trustDomain === undefined ? null : parseTrustDomain('tenants.trustDomain', trustDomain),
    foreign: readForeign(foreign, trustDomain),
    maxInFlight: bound('maxInFlight', options.maxInFlight),
    maxEvaluationsPerSecond: bound('maxEvaluationsPerSecond', options.maxEvaluationsPerSecond),
  }
}

/** @throws {PolicyError} `invalid-option` */
export function readTemplate(template: unknown): TenantTemplate | undefined {
  if (template === undefined || typeof template === 'string') return template
  if (typeof template !== 'object' || template === null) {
    return refuse('tenant', template, 'must be a template, or one for each trust domain')
  }
  const templates = Object.entries(template).map(([name, text]: [string, unknown]) => {
    if (typeof text !== 'string')
      return refuse(`tenant["${describeName(name)}"]`, text, 'must be a template')
    return [name, text] as const
  })
  return Object.fromEntries(templates)
}

function readForeign(foreign: unknown, own: string | undefined): TenantsSettings['foreign'] {
  if (typeof foreign !== 'object' || foreign === null) {
    return refuse('tenants.foreign', foreign, 'must be an object')
  }
  return new Map(
    Object.entries(foreign).map(([name, tenants]: [string, unknown]) => {
      const key = `tenants.foreign["${describeName(name)}"]`
      if (typeof tenants !== 'object' || tenants === null) {
        return refuse(key, tenants, 'must be an object')
      }
      if (name === own) return refuse(key, tenants, 'is of `trustDomain` itself')
      return [parseTrustDomain('tenants.foreign', name), readTenantMap(key, tenants)]
    }),
  )
}

function readTenantMap(key: string, tenants: object): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(tenants).map(([theirs, ours]: [string, unknown]) =>
      typeof ours === 'string'
        ? [theirs, ours]
        : refuse(`${key}["${describeName(theirs)}"]`, ours, 'must be the name of a tenant'),
    ),
  )
}

function bound(key: string, value: number | undefined): number {
  return value === undefined ? Infinity : asInteger(`tenants.${key}`, value, 1, 1)
}
