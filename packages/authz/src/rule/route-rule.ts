import type { SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { Condition } from '../condition/condition.ts'

/** Whom a list names: a SPIFFE ID, a pattern such as `spiffe://example.org/{tenant}/api-*`, or a matcher. */
export type Callers = readonly (string | SpiffeId | SpiffeIdMatcher)[]

/**
 * Who may call a route, as its `config.spiffe`. `deny` comes before `allow`, and whoever is not allowed is refused.
 * Exactly one of `allow`, `anyAuthenticated` and `public` says who may call; a rule without any of them does not boot.
 */
export interface RouteRule {
  /** The callers who may. */
  readonly allow?: Callers
  /** Callers who may not, although `allow` or `anyAuthenticated` would let them in. */
  readonly deny?: Callers
  /** Every caller with a verified identity, of any trust domain that the service trusts. */
  readonly anyAuthenticated?: true
  /** Everybody, with or without an identity. The reason is for those who read the code. */
  readonly public?: { readonly reason: string }
  /** What must hold as well. */
  readonly when?: Condition
}
