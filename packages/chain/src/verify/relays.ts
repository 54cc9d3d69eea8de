import type { MatcherInput, SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { isListed, readMatchers } from '../matchers.ts'
import { reader } from '../options.ts'
import type { ChainRefusalCode } from '../refusal.ts'
import { MAX_RELAYED_LIFETIME_SECONDS } from '../wire/limits.ts'
import { requestHash, type RelayedRequest } from '../wire/request-hash.ts'
import type { HopClaims } from '../wire/token.ts'

/** Who may present tokens of others, each for the request that it is bound to. */
export class Relays {
  readonly #matchers: readonly SpiffeIdMatcher[]

  /** @throws {@link ChainError} `invalid-option` */
  constructor(list: readonly MatcherInput[] = []) {
    if (!Array.isArray(list)) reader.refuse('relays', list, 'must be a list')
    this.#matchers = readMatchers('relays', list)
  }

  has(peer: SpiffeId | null): boolean {
    return peer !== null && isListed(this.#matchers, peer)
  }
}

/** Why a relay may not present a token with this request; `null`: it may, once. */
export function relayRefusal(
  { singleUse, iat, exp }: HopClaims,
  request: RelayedRequest,
): ChainRefusalCode | null {
  if (singleUse === null) return 'chain-caller-mismatch'
  if (singleUse.req !== requestHash(request)) return 'chain-request-mismatch'
  return exp - iat <= MAX_RELAYED_LIFETIME_SECONDS ? null : 'chain-lifetime'
}
