import type { SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { FastifyRequest } from 'fastify'
import { type Decision, deny } from '../decide/decision.ts'
import type { Place } from '../rule/place.ts'
import type { TenantResolver } from '../tenant/tenant.ts'
import type { AttributeValue } from './attributes.ts'

/** Where one declared attribute comes from. */
export type AttributeSource = { readonly name: string } & Reader

interface RequestReader {
  readonly varies: true
  /** `null`: it has no single value, and the request is refused with `refusal`. */
  readonly read: (request: FastifyRequest) => AttributeValue | null
  readonly refusal: Decision
}

/** What follows from the route and the identity, which are in the key of a decision anyway. */
interface IdentityReader {
  readonly varies: false
  readonly read: (id: SpiffeId) => AttributeValue | null
  readonly refusal: Decision
}

type Reader = RequestReader | IdentityReader

/** What the attributes of a route are compiled from. */
export interface SourceContext {
  readonly place: Place
  /** The patterns and matchers of `allow`; `null` where any identity may call. */
  readonly allow: readonly SpiffeIdMatcher[] | null
  /** `null` when the plugin has no tenant template. */
  readonly tenantOf: TenantResolver | null
}

type Compiler = (context: SourceContext, key: string, name: string) => Reader

const AMBIGUOUS = deny('ambiguous-attribute')
const NO_TENANT = deny('no-tenant')
const NO_CAPTURE = deny('no-capture')

const SINGLE: ReadonlyMap<string, Compiler> = new Map<string, Compiler>([
  ['method', compileMethod],
  ['host', () => ofRequest((request) => request.hostname)],
  ['ip', () => ofRequest((request) => request.ip)],
  ['route', ({ place }) => ofIdentity(() => place.url)],
  ['spiffeId', () => ofIdentity((id) => id)],
  ['trustDomain', () => ofIdentity((id) => id.trustDomain)],
  ['tenant', compileTenant],
])

const GROUPS: ReadonlyMap<string, Compiler> = new Map<string, Compiler>([
  ['params', compileParam],
  ['headers', compileHeader],
  ['query', (_context, _key, name) => ofRequest((request) => member(request.query, name))],
  ['captures', compileCapture],
])

/**
 * Compiles one name of `reads`.
 *
 * @throws {AuthzError} `invalid-rule`
 */
export function compileSource(context: SourceContext, key: string, name: unknown): AttributeSource {
  if (typeof name !== 'string') return context.place.refuse(key, name, 'must be a string')
  const single = SINGLE.get(name)
  if (single !== undefined) return { name, ...single(context, key, name) }
  const dot = name.indexOf('.')
  const group = GROUPS.get(name.slice(0, dot))
  const rest = name.slice(dot + 1)
  if (dot < 0 || group === undefined || rest === '') {
    const known = [...SINGLE.keys(), ...[...GROUPS.keys()].map((it) => `${it}.<name>`)].join(', ')
    return context.place.refuse(key, name, `is no attribute; there are ${known}`)
  }
  return { name, ...group(context, key, rest) }
}

/** A route of one method has it in the number of its step. */
function compileMethod({ place: { methods } }: SourceContext): Reader {
  const [method, ...others] = methods
  if (method !== undefined && others.length === 0) return ofIdentity(() => method)
  return ofRequest((request) => request.method)
}

function compileTenant({ place, tenantOf }: SourceContext, key: string): Reader {
  if (tenantOf === null) return place.refuse(key, 'tenant', "needs the plugin's option `tenant`")
  return ofIdentity(tenantOf, NO_TENANT)
}

function compileParam({ place }: SourceContext, key: string, name: string): Reader {
  if (!place.hasParam(name))
    return place.refuse(key, `params.${name}`, 'the route has no such parameter')
  return ofRequest((request) => member(request.params, name))
}

function compileHeader({ place }: SourceContext, key: string, name: string): Reader {
  if (name !== name.toLowerCase()) {
    return place.refuse(key, `headers.${name}`, 'header names are written in lower case')
  }
  return ofRequest((request) => member(request.headers, name))
}

function compileCapture({ place, allow }: SourceContext, key: string, name: string): Reader {
  if (allow === null) return place.refuse(key, `captures.${name}`, 'needs a pattern in `allow`')
  return ofIdentity((id) => capture(allow, id, name), NO_CAPTURE)
}

/** By the first that matches and has such a capture. */
function capture(matchers: readonly SpiffeIdMatcher[], id: SpiffeId, name: string): string | null {
  for (const matcher of matchers) {
    const value = matcher.capture(id)?.get(name)
    if (value !== undefined) return value
  }
  return null
}

function ofRequest(read: (request: FastifyRequest) => string | undefined | null): Reader {
  return { read, refusal: AMBIGUOUS, varies: true }
}

function ofIdentity(
  value: (id: SpiffeId) => AttributeValue | null,
  refusal: Decision = AMBIGUOUS,
): Reader {
  return { read: value, refusal, varies: false }
}

/** An own member that is a string; `null` for one that is not, such as a repeated query parameter. */
function member(container: unknown, name: string): string | undefined | null {
  if (typeof container !== 'object' || container === null) return undefined
  if (!Object.hasOwn(container, name)) return undefined
  const value: unknown = Reflect.get(container, name)
  return typeof value === 'string' || value === undefined ? value : null
}
