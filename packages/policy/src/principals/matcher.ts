import {
  allOf,
  matchId,
  matchMemberOf,
  not,
  matchOneOf,
  anyOf,
  parseMatcher,
  SpiffeId,
  SpiffeIdMatcher,
} from '@fastify-spiffe/spiffe'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { LRUCache } from 'lru-cache'
import { PolicyError } from '../errors.ts'
import type { RuleLocation } from '../location.ts'

/**
 * A matcher as plain data, for rules that are kept in files: `memberOf`, `oneOf`, `and`, `or` and
 * `not` of `@fastify-spiffe/spiffe`. A string is a SPIFFE ID or a pattern.
 */
export type MatcherObject =
  | { readonly memberOf: string }
  | { readonly oneOf: readonly string[] }
  | { readonly and: readonly (string | MatcherObject)[] }
  | { readonly or: readonly (string | MatcherObject)[] }
  | { readonly not: string | MatcherObject }

type Builder = (place: RuleLocation, key: string, value: unknown) => SpiffeIdMatcher

const BUILDERS: ReadonlyMap<string, Builder> = new Map<string, Builder>([
  ['memberOf', (place, key, value) => matchMemberOf(asText(place, key, value))],
  ['oneOf', compileOneOf],
  ['and', (place, key, value) => allOf(...compileAll(place, key, value))],
  ['or', (place, key, value) => anyOf(...compileAll(place, key, value))],
  ['not', (place, key, value) => not(compileMatcher(place, key, value))],
])
const NAMES = [...BUILDERS.keys()]
/** What no SPIFFE ID has: a pattern need not fail as one first, which would cost more than to compile it. */
const WILDCARD = /[*{]/
/** The same strings occur in many rules. What they are compiled to cannot change. */
const compiled = new LRUCache<string, SpiffeId | SpiffeIdMatcher>({ max: 1000 })
/** X509-SVID §2: the SPIFFE ID of a workload has a path. */
const NOBODY =
  'matches no workload: the SPIFFE ID of a workload has a path; `memberOf` matches a whole trust domain'
/** Longer than the key of any rule that people can read: what nests without end ends here. */
const MAX_KEY_LENGTH = 1000

/**
 * Compiles one entry of a list of callers: a SPIFFE ID, a pattern, a matcher, or a matcher as plain data.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileCaller(
  place: RuleLocation,
  key: string,
  entry: unknown,
): SpiffeId | SpiffeIdMatcher {
  const caller = readCaller(place, key, entry)
  return domainsOf(caller)?.size === 0 ? place.refuse(key, entry, NOBODY) : caller
}

function readCaller(place: RuleLocation, key: string, entry: unknown): SpiffeId | SpiffeIdMatcher {
  if (entry instanceof SpiffeId || entry instanceof SpiffeIdMatcher) return entry
  if (typeof entry !== 'string') return compileObject(place, key, entry)
  const known = compiled.get(entry)
  if (known !== undefined) return known
  const caller = compileText(place, key, entry)
  compiled.set(entry, caller)
  return caller
}

/** By name, the trust domains of the workloads that an entry names; `null` where that is not known. */
export function domainsOf(caller: SpiffeId | SpiffeIdMatcher): ReadonlySet<string> | null {
  if (caller instanceof SpiffeIdMatcher) return caller.trustDomains
  return new Set(caller.path === '' ? [] : [caller.trustDomain.name])
}

function compileText(place: RuleLocation, key: string, text: string): SpiffeId | SpiffeIdMatcher {
  if (!WILDCARD.test(text)) {
    const exact = SpiffeId.safeParse(text)
    if (exact.ok) return exact.value
  }
  try {
    return parseMatcher(text)
  } catch (cause) {
    return place.refuse(key, text, `is neither a SPIFFE ID nor a pattern: ${describeCause(cause)}`)
  }
}

function compileObject(place: RuleLocation, key: string, value: unknown): SpiffeIdMatcher {
  if (key.length > MAX_KEY_LENGTH) return place.refuse(key, value, 'is nested too deeply')
  if (isOfOtherCopy(value)) return place.refuse(key, value, OTHER_COPY)
  const [[name = '', member] = [], ...more] = place.members(key, value, NAMES)
  const build = BUILDERS.get(name)
  if (build === undefined || more.length > 0) {
    return place.refuse(key, value, `must have exactly one of ${NAMES.join(', ')}`)
  }
  try {
    return build(place, `${key}.${name}`, member)
  } catch (cause) {
    // What is wrong further within has been given its place there.
    if (cause instanceof PolicyError) throw cause
    return place.refuse(`${key}.${name}`, member, `cannot be used: ${describeCause(cause)}`)
  }
}

const OTHER_COPY =
  'was made by another copy of @fastify-spiffe/spiffe: install one version of all @fastify-spiffe packages, which ' +
  '`npm ls @fastify-spiffe/spiffe` shows'

/** By the names of its classes, and by nothing in the value itself. */
function isOfOtherCopy(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const base: unknown = Object.getPrototypeOf(value)
  if (typeof base !== 'object' || base === null) return false
  const { name } = base.constructor
  return name === SpiffeId.name || name === SpiffeIdMatcher.name || isOfOtherCopy(base)
}

function compileMatcher(place: RuleLocation, key: string, value: unknown): SpiffeIdMatcher {
  const caller = compileCaller(place, key, value)
  return caller instanceof SpiffeIdMatcher ? caller : matchId(caller)
}

function compileAll(place: RuleLocation, key: string, value: unknown): readonly SpiffeIdMatcher[] {
  return place.list(key, value, (at, entry) => compileMatcher(place, at, entry))
}

function compileOneOf(place: RuleLocation, key: string, value: unknown): SpiffeIdMatcher {
  return matchOneOf(...place.list(key, value, (at, entry) => asWorkload(place, at, entry)))
}

function asWorkload(place: RuleLocation, key: string, value: unknown): SpiffeId {
  const caller = compileCaller(place, key, asText(place, key, value))
  return caller instanceof SpiffeId ? caller : place.refuse(key, value, 'must be a SPIFFE ID')
}

function asText(place: RuleLocation, key: string, value: unknown): string {
  return typeof value === 'string' ? value : place.refuse(key, value, 'must be a string')
}
