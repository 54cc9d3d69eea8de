import type { SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { FastifyRequest } from 'fastify'
import { type Decision, deny } from '../decide/decision.ts'
import type { Place } from '../rule/place.ts'
import type { TenantResolver } from '../tenant/tenant.ts'
import { isWithin } from '../client/address.ts'
import { isRepeated } from '../client/header-values.ts'
import { hostOf } from '../client/host.ts'
import type { NetworkClasses } from '../client/options.ts'
import type { AttributeValue } from './attributes.ts'
import type { AttributeProvider } from './provider.ts'
import type { Provisions } from './provisions.ts'

/** Where one declared attribute comes from. */
export type AttributeSource = { readonly name: string } & Reader

interface RequestReader {
  readonly varies: true
  /** `null`: it has no single value, and the request is refused with `refusal`. */
  readonly read: (request: FastifyRequest) => AttributeValue | null
  readonly refusal: Decision
  /** Who has to be asked before it can be read; absent: nobody. */
  readonly provider?: AttributeProvider
}

/** What follows from the route and the identity, which are in the key of a decision anyway. */
interface IdentityReader {
  readonly varies: false
  readonly read: (id: SpiffeId) => AttributeValue | null
  readonly refusal: Decision
}

type Reader = RequestReader | IdentityReader

/** What attributes are compiled with, whatever the route. */
export interface AttributeContext {
  /** `null` when the plugin has no tenant template. */
  readonly tenantOf: TenantResolver | null
  readonly addressOf: (request: FastifyRequest) => string | undefined
  readonly networks: NetworkClasses
  /** By their groups. */
  readonly providers: ReadonlyMap<string, AttributeProvider>
  readonly provisions: Provisions
  /** Milliseconds since the epoch. */
  readonly clock: () => number
}

/** What the attributes of a route are compiled from. */
export interface SourceContext extends AttributeContext {
  readonly place: Place
  /** The patterns and matchers of `allow`; `null` where any identity may call. */
  readonly allow: readonly SpiffeIdMatcher[] | null
}

type Compiler = (context: SourceContext, key: string, name: string) => Reader

const WEEKDAYS: readonly string[] = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const AMBIGUOUS = deny('ambiguous-attribute')
const NO_TENANT = deny('no-tenant')
const NO_CAPTURE = deny('no-capture')

const SINGLE: ReadonlyMap<string, Compiler> = new Map<string, Compiler>([
  ['method', compileMethod],
  ['host', () => ofRequest(hostOf)],
  ['ip', ({ addressOf }) => ofRequest(addressOf)],
  ['network', compileNetwork],
  ['notAfter', () => ofRequest(({ peer }) => peer && String(peer.notAfter))],
  ['time.hour', compileTime((time) => time.slice(11, 13))],
  ['time.weekday', compileTime((time) => WEEKDAYS[new Date(time).getUTCDay()])],
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
  const compile = SINGLE.get(name)
  if (compile !== undefined) return { name, ...compile(context, key, name) }
  const dot = name.indexOf('.')
  const rest = name.slice(dot + 1)
  const group = GROUPS.get(name.slice(0, dot)) ?? providedBy(context, name.slice(0, dot))
  if (dot < 0 || group === undefined || rest === '') {
    const groups = [...GROUPS.keys(), ...context.providers.keys()].map((it) => `${it}.<name>`)
    const known = [...SINGLE.keys(), ...groups].join(', ')
    return context.place.refuse(key, name, `is no attribute; there are ${known}`)
  }
  return { name, ...group(context, key, rest) }
}

/** The attributes of a provider. */
function providedBy({ providers, provisions }: SourceContext, group: string): Compiler | undefined {
  const provider = providers.get(group)
  if (provider === undefined) return undefined
  return (_context, _key, name) => ({
    ...ofRequest((request) => single(provisions.get(request, provider, name))),
    provider,
  })
}

/** The first class that has the address of the client, or `other`. */
function compileNetwork({ place, addressOf, networks }: SourceContext, key: string): Reader {
  if (networks.length === 0) return place.refuse(key, 'network', 'needs the option `networks`')
  return ofRequest((request) => {
    const address = addressOf(request)
    if (address === undefined) return 'other'
    return networks.find(([, list]) => isWithin(list, address))?.[0] ?? 'other'
  })
}

/** In UTC: what everybody reads the same. */
function compileTime(read: (time: string) => string | undefined): Compiler {
  return ({ clock }) => ofRequest(() => read(new Date(clock()).toISOString()))
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
  return ofRequest((request) => {
    if (isRepeated(request, name)) return null
    // Whatever else names the host has to name the same.
    const isHost = name === 'host' || name === ':authority'
    return isHost && hostOf(request) === null ? null : member(request.headers, name)
  })
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

function ofRequest(read: (request: FastifyRequest) => string | undefined | null): RequestReader {
  return { read, refusal: AMBIGUOUS, varies: true }
}

function ofIdentity(
  value: (id: SpiffeId) => AttributeValue | null,
  refusal: Decision = AMBIGUOUS,
): Reader {
  return { read: value, refusal, varies: false }
}

/** An own member. */
function member(container: unknown, name: string): string | undefined | null {
  if (typeof container !== 'object' || container === null) return undefined
  return Object.hasOwn(container, name) ? single(Reflect.get(container, name)) : undefined
}

/** A text, or nothing; `null` for all else, such as a repeated query parameter: a number has the key of its text. */
function single(value: unknown): string | undefined | null {
  return typeof value === 'string' || value === undefined ? value : null
}
