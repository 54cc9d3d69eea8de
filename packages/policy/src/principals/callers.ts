import { matchOneOf, anyOf, SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { RuleLocation } from '../location.ts'
import { compileCaller } from './matcher.ts'

/** A list of callers, compiled. */
export interface CompiledCallers {
  /** Matches the callers that the list names. */
  readonly matcher: SpiffeIdMatcher
  /** The patterns and matchers, in their order, for what they capture. */
  readonly others: readonly SpiffeIdMatcher[]
  /** Every entry by itself, in its order. */
  readonly entries: readonly (SpiffeId | SpiffeIdMatcher)[]
}

/**
 * Compiles `allow`, `deny` or a role.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileCallers(place: RuleLocation, key: string, list: unknown): CompiledCallers {
  const callers = place.list(key, list, (at, entry) => compileCaller(place, at, entry))
  // Exact identities share one set, however many there are.
  const exact = callers.filter((caller) => caller instanceof SpiffeId)
  const others = callers.filter((caller) => caller instanceof SpiffeIdMatcher)
  const exactly = matchOneOf(...exact)
  // `or` also makes sure that a matcher of the application answers by a boolean.
  const matcher = others.length === 0 ? exactly : anyOf(exactly, ...others)
  return { matcher, others, entries: callers }
}

/** Whom at least one of the lists names. */
export function union(lists: readonly CompiledCallers[]): CompiledCallers {
  const [first, ...more] = lists
  if (first !== undefined && more.length === 0) return first
  return {
    matcher: anyOf(...lists.map(({ matcher }) => matcher)),
    others: lists.flatMap(({ others }) => others),
    entries: lists.flatMap(({ entries }) => entries),
  }
}
