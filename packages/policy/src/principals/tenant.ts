import { type PathTemplate, pathTemplate, type SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { PolicyError } from '../errors.ts'

/**
 * Whose workload calls: a trust domain and the path segment that the option `tenant` names, byte for byte. The same
 * name in two trust domains is two tenants.
 */
export interface Tenant {
  readonly trustDomain: TrustDomain
  readonly name: string
}

/** Where a request names the tenant whose data it wants. */
export type TenantSource = `params.${string}` | `headers.${string}` | 'host'

/** Finds the tenant of an identity; `null` when its path does not match the template. */
export type TenantResolver = (id: SpiffeId) => Tenant | null

/**
 * Where the tenant is in the path of a SPIFFE ID: the same in all trust domains, or for each by
 * itself.
 */
export type TenantTemplate = string | Readonly<Record<string, string>>

/**
 * Compiles the option `tenant`.
 *
 * @throws {PolicyError} `invalid-option`
 */
export function compileTenantTemplate(template: TenantTemplate): TenantResolver {
  const pathOf = compileTemplates(template)
  // An identity lives as long as its connection: it is matched once.
  const known = new WeakMap<SpiffeId, Tenant | null>()

  return (id) => {
    const before = known.get(id)
    if (before !== undefined) return before
    const name = pathOf(id)?.capture(id)?.get('tenant')
    const tenant = name === undefined ? null : Object.freeze({ trustDomain: id.trustDomain, name })
    known.set(id, tenant)
    return tenant
  }
}

// SPIFFE-ID §2.2.
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/

/** Whether a tenant can have this name: it is one segment of a path. */
export function isTenantName(name: string): boolean {
  return SEGMENT.test(name)
}

/**
 * The key under which the decisions about a tenant are cached. `\0` occurs neither in a trust
 * domain nor in a path segment, so that no two tenants share a key. Callers without a tenant share
 * that of the empty name, which no segment has.
 */
export function tenantKey(trustDomain: TrustDomain | string, name: string): string {
  return `${trustDomain.toString()}\0${name}`
}

/** Finds the {@link tenantKey} of an identity. */
export function tenantKeys(tenantOf: TenantResolver | null): (id: SpiffeId) => string {
  // An identity lives as long as its connection. Hashing a string that was just built costs more
  // than the lookup.
  const known = new WeakMap<SpiffeId, string>()
  return (id) => {
    const before = known.get(id)
    if (before !== undefined) return before
    const key = tenantKey(id.trustDomain, tenantOf?.(id)?.name ?? '')
    known.set(id, key)
    return key
  }
}

/** The trust domain of a {@link tenantKey}. */
export function trustDomainOfKey(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf('\0')))
}

/** The trust domain and the name of a {@link tenantKey}; `null` for callers without a tenant. */
export function partsOfKey(key: string): readonly [trustDomain: string, name: string | null] {
  const trustDomain = trustDomainOfKey(key)
  return [trustDomain, key.slice(trustDomain.length + 1) || null]
}

function compileTemplates(template: TenantTemplate): (id: SpiffeId) => PathTemplate | undefined {
  if (typeof template === 'string') {
    const path = parseTemplate(template)
    return () => path
  }
  const paths = new Map(
    Object.entries(template).map(([name, text]) => [
      parseTrustDomain('tenant', name),
      parseTemplate(text),
    ]),
  )
  return ({ trustDomain }) => paths.get(trustDomain.name)
}

/** @throws {PolicyError} `invalid-option`, naming the option of the trust domain */
export function parseTrustDomain(option: string, name: string): string {
  try {
    return TrustDomain.parse(name).name
  } catch (cause) {
    throw new PolicyError('invalid-option', `option ${option}: ${describeCause(cause)}`)
  }
}

function parseTemplate(text: string): PathTemplate {
  try {
    const template = pathTemplate(text)
    if (template.names.includes('tenant')) return template
  } catch (cause) {
    throw new PolicyError('invalid-option', `option tenant: ${describeCause(cause)}`)
  }
  throw new PolicyError('invalid-option', 'option tenant must capture {tenant}')
}
