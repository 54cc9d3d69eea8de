import { describeValue } from '../describe.ts'
import { SpiffeError } from '../errors.ts'
import { SpiffeId } from '../id/spiffe-id.ts'
import { SpiffeIdMatcher } from './matcher.ts'
import { parseMatcher } from './pattern.ts'
import { matchId } from './sets.ts'

/**
 * What is accepted as a matcher: a matcher, one SPIFFE ID, or a SPIFFE ID or pattern as a string.
 */
export type MatcherInput = SpiffeIdMatcher | SpiffeId | string

/**
 * Makes a matcher of what is accepted as one. A string with a `*` or a `{` is a pattern; any other
 * string is one SPIFFE ID.
 *
 * What can be read in two ways is refused. A SPIFFE ID without a path could mean that ID alone, which no workload has
 * (X509-SVID §2), or all members of its trust domain: `matchMemberOf` says the latter. A list could mean all of its
 * entries or any of them: `allOf` and `anyOf` say which.
 *
 * @throws {@link SpiffeError} `invalid-spiffe-id` or `invalid-pattern` for a string that is neither, `invalid-pattern`
 * for an ID without a path and for any other value
 */
export function toMatcher(input: MatcherInput): SpiffeIdMatcher {
  if (input instanceof SpiffeIdMatcher) return input
  if (input instanceof SpiffeId) return matchId(workloadId(input))
  if (typeof input !== 'string') {
    const message = `a matcher must be a SpiffeIdMatcher, a SPIFFE ID or a pattern (found: ${describeValue(input)})`
    throw new SpiffeError('invalid-pattern', message)
  }
  const parsed = SpiffeId.safeParse(input)
  return parsed.ok ? matchId(workloadId(parsed.value)) : parseMatcher(input)
}

function workloadId(id: SpiffeId): SpiffeId {
  if (id.path !== '') return id
  const name = id.trustDomain.name
  const message = `${id.toString()} has no path, so it matches no workload: write matchMemberOf('${name}') for all workloads of the trust domain`
  throw new SpiffeError('invalid-pattern', message)
}
