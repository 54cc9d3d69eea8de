import { oneOf, or, parseMatcher, SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { Place } from './place.ts'

/** A list of callers, compiled. */
export interface CompiledCallers {
  /** Matches whom the list names. */
  readonly matcher: SpiffeIdMatcher
  /** The patterns and matchers, in their order, for what they capture. */
  readonly others: readonly SpiffeIdMatcher[]
}

/**
 * Compiles `allow` or `deny`.
 *
 * @throws {AuthzError} `invalid-rule`
 */
export function compileCallers(place: Place, key: string, list: unknown): CompiledCallers {
  if (!Array.isArray(list)) return place.refuse(key, list, 'must be a list')
  const callers = list.map((entry, position) => compileCaller(place, `${key}[${position}]`, entry))
  // Exact identities share one set, however many there are.
  const exact = callers.filter((caller) => caller instanceof SpiffeId)
  const others = callers.filter((caller) => caller instanceof SpiffeIdMatcher)
  const exactly = oneOf(...exact)
  // `or` also makes sure that a matcher of the application answers by a boolean.
  return { matcher: others.length === 0 ? exactly : or(exactly, ...others), others }
}

function compileCaller(place: Place, key: string, entry: unknown): SpiffeId | SpiffeIdMatcher {
  if (entry instanceof SpiffeId || entry instanceof SpiffeIdMatcher) return entry
  if (typeof entry !== 'string') {
    return place.refuse(key, entry, 'must be a SPIFFE ID, a pattern or a matcher')
  }
  const exact = SpiffeId.safeParse(entry)
  if (exact.ok) return exact.value
  try {
    return parseMatcher(entry)
  } catch (cause) {
    return place.refuse(key, entry, `is neither a SPIFFE ID nor a pattern: ${String(cause)}`, cause)
  }
}
