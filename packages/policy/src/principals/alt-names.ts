import { SpiffeId, type SubjectAltNames } from '@fastify-spiffe/spiffe'
import { canonicalDnsName, canonicalIpAddress } from '@fastify-spiffe/spiffe/internal'
import type { Caller } from '../call.ts'
import { allow, type Decision, deny, type Refusal } from '../decision/decision.ts'
import type { RuleLocation } from '../location.ts'
import type { CompiledCallers } from './callers.ts'
import type { Grant } from './grant.ts'
import { domainsOf } from './matcher.ts'

/** Names that a rule demands of the certificate of its callers: of each kind that is there, one. */
export interface AltNameRule {
  /** Full names of hosts, in A-labels; case does not matter. A wildcard of the certificate stands for one label. */
  readonly dns?: readonly string[]
  /** IPv4 and IPv6 addresses, compared by their octets. */
  readonly ip?: readonly string[]
  /** SPIFFE IDs, octet for octet: an X.509-SVID has no other URI than its own. */
  readonly uri?: readonly string[]
}

/** What a rule demands of the certificate of its callers: each of these. */
export interface CompiledAltNames {
  /** In their canonical form. */
  readonly demands: readonly AltNameRule[]
  readonly check: (caller: Caller) => Decision
}

type Kind = keyof AltNameRule

/** Reads one name of a kind: its canonical form. */
type ReadName = (place: RuleLocation, key: string, text: string) => string

const READERS: Readonly<Record<Kind, ReadName>> = {
  dns: readDnsName,
  ip: readIpAddress,
  uri: readUri,
}
const KINDS = ['dns', 'ip', 'uri'] as const

const HAS: Readonly<Record<Kind, (names: SubjectAltNames, name: string) => boolean>> = {
  dns: (names, name) => names.hasDnsName(name),
  ip: (names, name) => names.hasIpAddress(name),
  uri: (names, name) => names.hasUri(name),
}

const ALLOWED = allow('allowed')
const NO_NAMES = missing('no-certificate')
const MISSING: Readonly<Record<Kind, Refusal>> = {
  dns: missing('dns'),
  ip: missing('ip'),
  uri: missing('uri'),
}

/** RFC 4291 §2.5.5.2, as `URL` writes it. */
const MAPPED = '::ffff:'

function missing(detail: string): Refusal {
  return Object.freeze({ ...deny('san-missing'), detail })
}

/**
 * Compiles `subjectAltName` of a rule. `null`: the rule does not look at the names of certificates.
 *
 * @throws {PolicyError} `invalid-rule`, also for a name that no caller of the rule can have
 */
export function compileAltNames(
  place: RuleLocation,
  given: ReadonlyMap<string, unknown>,
  grant: Grant,
): CompiledAltNames | null {
  if (!given.has('subjectAltName')) return null
  const key = `${place.root}.subjectAltName`
  const value = given.get('subjectAltName')
  // Each trust domain writes into its certificates what it likes: the name counts for the callers of a domain alone.
  if (typeof grant === 'string' || grant.entries.some((entry) => domainsOf(entry) === null)) {
    const why = 'needs allow or roles whose entries all name their trust domains'
    return place.refuse(key, value, why)
  }
  const demands = Array.isArray(value)
    ? value.map((demand, index) => compileDemand(place, `${key}[${index}]`, demand, grant))
    : [compileDemand(place, key, value, grant)]
  if (demands.length === 0) place.refuse(key, value, 'demands nothing')
  return { demands, check: checkOf(demands) }
}

function compileDemand(
  place: RuleLocation,
  key: string,
  value: unknown,
  grant: CompiledCallers,
): AltNameRule {
  const members = place.members(key, value, KINDS)
  if (members.size === 0) place.refuse(key, value, `must have one of ${KINDS.join(', ')}`)
  const demand: { -readonly [K in Kind]?: readonly string[] } = {}
  for (const kind of KINDS) {
    if (members.has(kind))
      demand[kind] = readNames(place, `${key}.${kind}`, members.get(kind), kind)
  }
  for (const [index, uri] of (demand.uri ?? []).entries()) {
    if (!canName(grant, SpiffeId.parse(uri)))
      place.refuse(`${key}.uri[${index}]`, uri, 'can never match: allow does not name it')
  }
  return Object.freeze(demand)
}

function readNames(place: RuleLocation, key: string, list: unknown, kind: Kind): readonly string[] {
  const names = place.list(key, list, (at, text) =>
    typeof text === 'string'
      ? READERS[kind](place, at, text)
      : place.refuse(at, text, 'must be a string'),
  )
  if (names.length === 0) place.refuse(key, list, 'can never match: it is empty')
  return Object.freeze(names)
}

/** RFC 9525 §6.1: whoever demands a name demands a host by its full name. Wildcards are for certificates. */
function readDnsName(place: RuleLocation, key: string, text: string): string {
  const name = canonicalDnsName(text)
  if (name !== undefined) return name
  const why =
    'must be the full name of a host: letters, digits and hyphens (A-labels), without a wildcard, a port or a dot at its end; addresses belong under ip'
  return place.refuse(key, text, why)
}

function readIpAddress(place: RuleLocation, key: string, text: string): string {
  const address = canonicalIpAddress(text)
  if (address === undefined) return place.refuse(key, text, 'must be one IPv4 or IPv6 address')
  if (!address.startsWith(MAPPED)) return address
  const why =
    'is an IPv4 address in the form of IPv6: write the IPv4 address, which certificates have in four octets'
  return place.refuse(key, text, why)
}

/** X509-SVID §2: the only URI of a leaf is its SPIFFE ID. */
function readUri(place: RuleLocation, key: string, text: string): string {
  const id = SpiffeId.safeParse(text)
  if (id.ok && id.value.path !== '') return text
  const why =
    'can never match: the only URI of a certificate is the SPIFFE ID of its workload, octet for octet (patterns belong under allow)'
  return place.refuse(key, text, why)
}

/** By exact identities certainly, by patterns and matchers as far as their trust domains go. */
function canName({ matcher, others, entries }: CompiledCallers, id: SpiffeId): boolean {
  if (others.length === 0) return matcher.matches(id)
  return entries.some((entry) => domainsOf(entry)?.has(id.trustDomain.name) === true)
}

/** Without a certificate whose names are known, as behind a token alone, nothing is met. */
function checkOf(demands: readonly AltNameRule[]): CompiledAltNames['check'] {
  return ({ subjectAltNames }) => {
    if (subjectAltNames === undefined || subjectAltNames === null) return NO_NAMES
    for (const demand of demands) {
      for (const kind of KINDS) {
        const names = demand[kind]
        if (names === undefined || names.some((name) => HAS[kind](subjectAltNames, name))) continue
        return MISSING[kind]
      }
    }
    return ALLOWED
  }
}
