import { SpiffeId, type MatcherInput, type SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { ChainError } from '../errors.ts'
import { readMatchers } from '../matchers.ts'
import { reader } from '../options.ts'

/**
 * Compiles the option `handTo`.
 * @throws {@link ChainError} `invalid-option`
 */
export function readHandTo(list: readonly MatcherInput[]): readonly SpiffeIdMatcher[] {
  if (!Array.isArray(list)) return reader.refuse('handTo', list, 'must be a list')
  // Whoever gets a token may act for us.
  return readMatchers('handTo', list)
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
