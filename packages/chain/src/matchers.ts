import {
  SpiffeError,
  toMatcher,
  type MatcherInput,
  type SpiffeId,
  type SpiffeIdMatcher,
} from '@fastify-spiffe/spiffe'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { ChainError } from './errors.ts'
import { reader } from './options.ts'

/**
 * Compiles a list of those who are trusted with something. Each entry names its trust domains: nobody is meant by not being
 * excluded.
 * @throws {@link ChainError} `invalid-option`
 */
export function readMatchers(
  key: string,
  list: readonly MatcherInput[],
): readonly SpiffeIdMatcher[] {
  return list.map((entry, position) => readMatcher(`${key}[${position}]`, entry))
}

/** Whether any matches. One of the application that throws, or answers no boolean, matches nobody: what was sent must not throw. */
export function isListed(matchers: readonly SpiffeIdMatcher[], id: SpiffeId): boolean {
  return matchers.some((matcher) => {
    try {
      return matcher.capture(id) !== null
    } catch {
      return false
    }
  })
}

function readMatcher(key: string, entry: MatcherInput): SpiffeIdMatcher {
  const matcher = matcherOf(key, entry)
  if (matcher.trustDomains !== null) return matcher
  return reader.refuse(key, entry, 'must name each trust domain')
}

function matcherOf(key: string, entry: MatcherInput): SpiffeIdMatcher {
  try {
    return toMatcher(entry)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new ChainError('invalid-option', `${key}: ${describeCause(cause)}`, { cause })
  }
}
