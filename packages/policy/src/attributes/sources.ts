import type { SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import {
  type Call,
  type CallChain,
  chainDepth,
  type Caller,
  type CallReader,
  type CallValue,
} from '../call.ts'
import { deny, type Refusal } from '../decision/decision.ts'
import { callerOf, chainOf } from '../hypothetical-call.ts'
import type { RuleLocation } from '../location.ts'
import type { TenantSubject } from '../principals/behalf.ts'
import { proofOf } from '../principals/proof.ts'
import type { Tenant, TenantResolver } from '../principals/tenant.ts'
import { isWithin } from './addresses.ts'
import type { NetworkClasses } from './networks.ts'
import type { AttributeValue } from './attributes.ts'
import type { AttributeProvider } from './provider.ts'
import type { AttributeResolver } from './resolver.ts'

/** Where one declared attribute comes from. */
export interface AttributeSource {
  readonly name: string
  /** `false`: it follows from the route and the identity, which are in the key of a decision anyway. */
  readonly varies: boolean
  /** Whether it is of the chain of a call, and ends with it. */
  readonly ofChain?: true
  /** Whether it follows from what proves the caller. */
  readonly ofCaller?: true
  /** `null`: it has no single value, and the call is refused with {@link refusal}. */
  readonly read: (call: Call, id: SpiffeId) => AttributeValue | null
  readonly refusal: Refusal
  /** The provider that has to be asked before it can be read; `null`: none. */
  readonly provider: AttributeProvider | null
}

type Origin = Omit<AttributeSource, 'name'>

/** How the attributes of a call are found. `null`: there is no single value. */
export type ReadAttribute = (
  source: AttributeSource,
  call: Call,
  caller: Caller,
) => AttributeValue | null

/** Finds them in the call itself. */
export function readFromCall(
  source: AttributeSource,
  call: Call,
  { spiffeId }: Caller,
): AttributeValue | null {
  return source.read(call, spiffeId)
}

/** What attributes are compiled with, whatever the route. */
export interface AttributeContext {
  /** `null` when the plugin has no tenant template. */
  readonly tenantOf: TenantResolver | null
  /** Whose tenant a call is about. */
  readonly tenantSubject: TenantSubject
  readonly reader: CallReader
  readonly networks: NetworkClasses
  /** By their groups. */
  readonly providers: ReadonlyMap<string, AttributeProvider>
  readonly resolver: AttributeResolver
  /** Milliseconds since the epoch. */
  readonly clock: () => number
}

/** What the attributes of a route are compiled from. */
export interface SourceContext extends AttributeContext {
  readonly place: RuleLocation
  /** The patterns and matchers of `allow`; `null` where any identity may call. */
  readonly allow: readonly SpiffeIdMatcher[] | null
}

type Compiler = (context: SourceContext, key: string, name: string) => Origin

const WEEKDAYS: readonly string[] = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
/** The attribute that distinguishes networks, if calls have it. */
const ADDRESS = 'ip'
const AMBIGUOUS = deny('ambiguous-attribute')
const NO_TENANT = deny('no-tenant')
const NO_CAPTURE = deny('no-capture')

const SINGLE: ReadonlyMap<string, Compiler> = new Map<string, Compiler>([
  ['method', compileMethod],
  ['network', compileNetwork],
  ['notAfter', ({ reader }) => ofCall((call) => expiryText(reader, call))],
  ['proof', ({ reader }) => ({ ...ofCall((call) => proofText(reader, call)), ofCaller: true })],
  ['time.hour', compileTime((time) => time.slice(11, 13))],
  ['time.weekday', compileTime((time) => WEEKDAYS[new Date(time).getUTCDay()])],
  ['route', ({ place }) => ofIdentity(() => place.url)],
  ['spiffeId', () => ofIdentity((id) => id)],
  ['trustDomain', () => ofIdentity((id) => id.trustDomain)],
  ['tenant', compileTenant],
])

const GROUPS: ReadonlyMap<string, Compiler> = new Map<string, Compiler>([
  ['captures', compileCapture],
  ['chain', compileChain],
  ['subjectAltName', compileAltName],
])

/**
 * Compiles one name of `reads`.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileSource(context: SourceContext, key: string, name: unknown): AttributeSource {
  if (typeof name !== 'string') return context.place.refuse(key, name, 'must be a string')
  const compile = SINGLE.get(name) ?? singleOfCall(context, name)
  if (compile !== undefined) return { name, ...compile(context, key, name) }
  const dot = name.indexOf('.')
  const [group, rest] = [name.slice(0, Math.max(0, dot)), name.slice(dot + 1)]
  const compileMember = rest === '' ? undefined : compilerOfGroup(context, group)
  if (compileMember !== undefined) return { name, ...compileMember(context, key, rest) }
  const known = knownNames(context).join(', ')
  return context.place.refuse(key, name, `is not a known attribute; known are ${known}`)
}

function knownNames({ reader, providers }: SourceContext): readonly string[] {
  const ofCalls = Array.from(reader.attributes, ([name, kind]) =>
    kind === 'single' ? name : `${name}.<name>`,
  )
  const groups = [...GROUPS.keys(), ...providers.keys()].map((group) => `${group}.<name>`)
  return [...SINGLE.keys(), ...ofCalls, ...groups]
}

function singleOfCall({ reader }: SourceContext, name: string): Compiler | undefined {
  if (reader.attributes.get(name) !== 'single') return undefined
  return () => ofCall((call) => reader.attribute(call, name, ''))
}

function compilerOfGroup(context: SourceContext, group: string): Compiler | undefined {
  const { reader } = context
  if (reader.attributes.get(group) !== 'group')
    return GROUPS.get(group) ?? providedBy(context, group)
  return ({ place }, key, name) => {
    const problem = reader.problemWith(group, name, place)
    if (problem !== null) return place.refuse(key, `${group}.${name}`, problem)
    return ofCall((call) => reader.attribute(call, group, name))
  }
}

/** The attributes of a provider. */
function providedBy({ providers, resolver }: SourceContext, group: string): Compiler | undefined {
  const provider = providers.get(group)
  if (provider === undefined) return undefined
  return (_context, _key, name) =>
    ofCall((call) => single(resolver.get(call, provider, name)), provider)
}

/** The first class that has the address of the client, or `other`. */
function compileNetwork({ place, reader, networks }: SourceContext, key: string): Origin {
  if (networks.length === 0) return place.refuse(key, 'network', 'needs the option `networks`')
  if (!reader.attributes.has(ADDRESS)) return place.refuse(key, 'network', 'needs an address')
  return ofCall((call) => {
    const address = reader.attribute(call, ADDRESS, '')
    if (address === null) return null
    if (address === undefined) return 'other'
    return networks.find(([, list]) => isWithin(list, address))?.[0] ?? 'other'
  })
}

/** Without a caller nothing is known to be valid. */
function expiryText(reader: CallReader, call: Call): CallValue {
  const caller = reader.caller(call)
  return caller && String(caller.notAfter)
}

/** In UTC: what everybody reads the same. */
function compileTime(read: (time: string) => string | undefined): Compiler {
  return ({ clock }) => ofCall(() => read(new Date(clock()).toISOString()))
}

/** A route of one method has it in the number of its step. */
function compileMethod({ place: { methods }, reader }: SourceContext): Origin {
  const [method, ...others] = methods
  if (method !== undefined && others.length === 0) return ofIdentity(() => method)
  return ofCall((call) => reader.method(call))
}

function compileTenant({ place, tenantOf, tenantSubject }: SourceContext, key: string): Origin {
  if (tenantOf === null) return place.refuse(key, 'tenant', "needs the plugin's option `tenant`")
  // That of the origin is in the key of a decision as well: decisions are kept by tenant.
  const read = (call: Call, id: SpiffeId): Tenant | null =>
    tenantOf(tenantSubject(call, { spiffeId: id }))
  return { read, refusal: NO_TENANT, varies: false, provider: null }
}

/** What is read of the chain of a call. Without one the caller is the origin. */
const OF_CHAIN: ReadonlyMap<string, (id: SpiffeId, chain: CallChain | null) => CallValue> = new Map<
  string,
  (id: SpiffeId, chain: CallChain | null) => CallValue
>([
  ['origin', (id, chain) => (chain?.origin ?? id).toString()],
  ['originTrustDomain', (id, chain) => (chain?.origin ?? id).trustDomain.name],
  ['via', (_id, chain) => (chain === null ? '' : chain.via.join(' '))],
  ['depth', (id, chain) => String(chain === null ? 1 : chainDepth(id, chain))],
  ['evidence', (_id, chain) => chain?.evidence],
])

function compileChain({ place, reader }: SourceContext, key: string, name: string): Origin {
  const attribute = `chain.${name}`
  if (reader.chain === undefined)
    return place.refuse(key, attribute, 'needs calls that carry a chain')
  const read = OF_CHAIN.get(name)
  if (read === undefined) {
    return place.refuse(
      key,
      attribute,
      `must be chain. and one of ${[...OF_CHAIN.keys()].join(', ')}`,
    )
  }
  const value = (call: Call, id: SpiffeId): CallValue => read(id, chainOf(reader, call))
  return { read: value, refusal: AMBIGUOUS, varies: true, ofChain: true, provider: null }
}

/** Not known of a caller of a transport that does not say: the call is refused. */
function proofText(reader: CallReader, call: Call): CallValue {
  const caller = callerOf(reader, call)
  return caller && proofOf(caller)
}

/** The lists of names that can be read. The URI is the SPIFFE ID. */
const ALT_NAMES = ['dns', 'ip'] as const

/** Separated by spaces, which none of them has. Not known of a caller without a certificate: the call is refused. */
function compileAltName({ place, reader }: SourceContext, key: string, name: string): Origin {
  const list = ALT_NAMES.find((it) => it === name)
  if (list === undefined) {
    const why = `must be subjectAltName. and one of ${ALT_NAMES.join(', ')}`
    return place.refuse(key, `subjectAltName.${name}`, why)
  }
  const read = (call: Call): CallValue =>
    callerOf(reader, call)?.subjectAltNames?.[list].join(' ') ?? null
  return { ...ofCall(read), ofCaller: true }
}

function compileCapture({ place, allow }: SourceContext, key: string, name: string): Origin {
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

function ofCall(
  read: (call: Call) => CallValue,
  provider: AttributeProvider | null = null,
): Origin {
  return { read, refusal: AMBIGUOUS, varies: true, provider }
}

function ofIdentity(
  value: (id: SpiffeId) => AttributeValue | null,
  refusal: Refusal = AMBIGUOUS,
): Origin {
  return { read: (_call, id) => value(id), refusal, varies: false, provider: null }
}

/**
 * A string, or nothing; `null` for anything else, such as a repeated query parameter: a number
 * would have the key of its text.
 */
function single(value: unknown): string | undefined | null {
  return typeof value === 'string' || value === undefined ? value : null
}
