import {
  SpiffeError,
  SpiffeId,
  toMatcher,
  type MatcherInput,
  type SpiffeIdMatcher,
} from '@fastify-spiffe/spiffe'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { ChainError } from '../errors.ts'
import { reader } from '../options.ts'

/**
 * Compiles the option `handTo`.
 * @throws {@link ChainError} `invalid-option`
 */
export function readHandTo(list: readonly MatcherInput[]): readonly SpiffeIdMatcher[] {
  if (!Array.isArray(list)) return reader.refuse('handTo', list, 'must be a list')
  return list.map((entry: MatcherInput, position) => readEntry(`handTo[${position}]`, entry))
}

function readEntry(key: string, entry: MatcherInput): SpiffeIdMatcher {
  const matcher = toMatcherOrThrow(key, entry)
  // Whoever gets a token may act for us: nobody is meant by not being excluded.
  if (matcher.trustDomains === null) reader.refuse(key, entry, 'must name each trust domain')
  return matcher
}

function toMatcherOrThrow(key: string, entry: MatcherInput): SpiffeIdMatcher {
  try {
    return toMatcher(entry)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new ChainError('invalid-option', `${key}: ${describeCause(cause)}`, { cause })
  }
}

/**
 * Reads who is to receive a token: one workload. A token for whoever answers would be one for anybody.
 * @throws {@link ChainError} `invalid-audience`
 */
export function readAudience(audience: SpiffeId | string): SpiffeId {
  const parsed = audience instanceof SpiffeId ? audience : SpiffeId.safeParse(audience)
  const id = parsed instanceof SpiffeId ? parsed : parsed.ok ? parsed.value : null
  if (id !== null && id.path !== '') return id
  throw new ChainError('invalid-audience', 'the audience must be the SPIFFE ID of one workload')
}
