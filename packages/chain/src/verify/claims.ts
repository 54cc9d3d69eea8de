import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { ChainRefusalCode } from '../refusal.ts'
import { MAX_LIFETIME_SECONDS, MAX_SKEW_MS } from '../wire/limits.ts'
import type { RelayedRequest } from '../wire/request-hash.ts'
import { tokenHash, type HopClaims, type HopToken } from '../wire/token.ts'
import { relayRefusal } from './relays.ts'

/** Who presents a chain, and its audience. */
export interface Presentation {
  /** The SPIFFE ID of the own SVID; `null`: there is none, and no chain is for us. */
  readonly self: SpiffeId | null
  /** The verified peer of the connection; `null` for one without an identity. */
  readonly caller: SpiffeId | null
  /** What a caller that is a listed relay presents the chain with; `null` for any other. */
  readonly relayed: RelayedRequest | null
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Why the tokens, whoever signed them, are not a chain by this caller for us now; `null`: they are. {@link isLinked} comes before. */
export function claimsRefusal(
  tokens: readonly HopToken[],
  { self, caller, relayed, now }: Presentation,
): ChainRefusalCode | null {
  const last = tokens.at(-1)!.claims
  if (self === null || !last.aud.equals(self)) return 'chain-wrong-audience'
  for (const { claims } of tokens) {
    const code = timeRefusal(claims, now)
    if (code !== null) return code
  }
  if (isBy(tokens, caller)) return null
  return relayed === null ? 'chain-caller-mismatch' : relayRefusal(last, relayed)
}

/** Whether the last token is by the peer itself. */
export function isBy(tokens: readonly HopToken[], caller: SpiffeId | null): caller is SpiffeId {
  return caller !== null && tokens.at(-1)!.claims.sub.equals(caller)
}

/** Whether each token but the first continues the one before it, and is by the workload that one was for. */
export function isLinked(tokens: readonly HopToken[]): boolean {
  return tokens.every(({ claims }, index) => {
    const before = tokens[index - 1]
    if (before === undefined) return claims.prv === null
    return before.claims.aud.equals(claims.sub) && claims.prv === tokenHash(before.text)
  })
}

/** Written so that a clock which gives NaN refuses. */
export function timeRefusal({ iat, exp }: HopClaims, now: number): ChainRefusalCode | null {
  if (!(iat * 1000 <= now + MAX_SKEW_MS)) return 'chain-not-yet-valid'
  if (!(now < exp * 1000)) return 'chain-expired'
  return exp > iat && exp - iat <= MAX_LIFETIME_SECONDS ? null : 'chain-lifetime'
}
