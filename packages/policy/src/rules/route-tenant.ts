import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { AttributeValue } from '../attributes/attributes.ts'
import {
  type AttributeContext,
  type AttributeSource,
  compileSource,
} from '../attributes/sources.ts'
import type { RuleLocation } from '../location.ts'
import { tenantSlug } from '../principals/slug.ts'
import { isTenantName, type TenantResolver } from '../principals/tenant.ts'

/** Which callers may touch which tenants of this service. */
export interface TenantContext extends AttributeContext {
  /** The trust domain whose tenants requests name; `null`: rules cannot compare. */
  readonly trustDomain: string | null
  /** By foreign trust domain and tenant: the tenant of ours that they may touch. */
  readonly foreign: ReadonlyMap<string, ReadonlyMap<string, string>>
}

/** Compares the tenant that a request names with that of its caller. */
export interface RouteTenant {
  readonly source: AttributeSource
  readonly admits: (id: SpiffeId, named: AttributeValue | null) => boolean
}

/**
 * Compiles `tenant` of a rule.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileRouteTenant(
  place: RuleLocation,
  key: string,
  source: unknown,
  context: TenantContext,
): RouteTenant {
  if (context.tenantOf === null || context.trustDomain === null) {
    return place.refuse(key, source, 'needs the options `tenant` and `tenants.trustDomain`')
  }
  const isHost = source === 'host'
  if (!isHost && (typeof source !== 'string' || !/^(?:params|headers)\../.test(source))) {
    return place.refuse(key, source, 'must be params.<name>, headers.<name> or host')
  }
  const names = new LocalNames(context.tenantOf, context.trustDomain, context.foreign)
  return {
    source: compileSource({ ...context, place, allow: null }, key, source),
    admits: isHost
      ? (id, host) => isFirstLabel(host, names.of(id))
      : (id, named) => isSegment(named) && named === names.of(id),
  }
}

/** What the tenant of a caller is called here: by its own name in our trust domain, else by what it was mapped to. */
class LocalNames {
  readonly #tenantOf: TenantResolver
  readonly #trustDomain: string
  readonly #foreign: TenantContext['foreign']

  constructor(tenantOf: TenantResolver, trustDomain: string, foreign: TenantContext['foreign']) {
    this.#tenantOf = tenantOf
    this.#trustDomain = trustDomain
    this.#foreign = foreign
  }

  of(id: SpiffeId): string | null {
    const tenant = this.#tenantOf(id)
    if (tenant === null) return null
    const { name } = tenant.trustDomain
    if (name === this.#trustDomain) return tenant.name
    return this.#foreign.get(name)?.get(tenant.name) ?? null
  }
}

function isSegment(named: AttributeValue | null): boolean {
  return typeof named === 'string' && isTenantName(named)
}

/** Hosts have no upper case and few characters: the label is the slug of the name. */
function isFirstLabel(host: AttributeValue | null, name: string | null): boolean {
  return typeof host === 'string' && name !== null && host.split('.', 1)[0] === tenantSlug(name)
}
