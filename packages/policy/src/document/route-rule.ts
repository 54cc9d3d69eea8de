import type { SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { CallerProof } from '../call.ts'
import type { AltNameRule } from '../principals/alt-names.ts'
import type { Comparison } from '../attributes/comparison.ts'
import type { AttributeName } from '../attributes/attributes.ts'
import type { Condition } from '../attributes/condition.ts'
import type { TenantSource } from '../principals/tenant.ts'
import type { MatcherObject } from '../principals/matcher.ts'

/**
 * The entries of a list of callers: a SPIFFE ID, a pattern such as
 * `spiffe://example.org/{tenant}/api-*`, a matcher, or a matcher as plain data.
 */
export type Callers = readonly (string | SpiffeId | SpiffeIdMatcher | MatcherObject)[]

/**
 * Who may call a route, as its `config.spiffe`. `deny` comes before `allow`, and a caller that is
 * not allowed is refused. A rule needs `allow`, `roles` or both; or `anyAuthenticated`; or
 * `public`; a rule without any of them does not boot. `where` and `engines` can only restrict.
 */
export interface RouteRule {
  /** The callers who may. */
  readonly allow?: Callers
  /** Callers who may as well: those with one of these roles of the policy document. */
  readonly roles?: readonly string[]
  /**
   * Callers who may not, although `allow`, `roles` or `anyAuthenticated` would let them in, and on whose behalf nobody may
   * call: it names the caller, the origin of the call and all between them.
   */
  readonly deny?: Callers
  /** Every caller with a verified identity, of any trust domain that the service trusts. */
  readonly anyAuthenticated?: true
  /** Everybody, with or without an identity. The reason is for those who read the code. */
  readonly public?: { readonly reason: string }
  /**
   * On whose behalf those callers may call: the first workload of the chain of a call, which is the caller itself where it has none.
   * `'itself'`: for nobody else. Needs calls that carry a chain, as `@fastify-spiffe/chain` brings them. Without it a
   * rule does not look at the chain, except for `deny`.
   */
  readonly onBehalfOf?: Callers | 'itself'
  /** Who may stand between the two, with `onBehalfOf`. Default `[]`: nobody. */
  readonly via?: Callers
  /**
   * How good the proof of the origin must be, with `onBehalfOf`: `signed` by each workload on the way, or `forwarded` by
   * a proxy as well. Default `signed`.
   */
  readonly evidence?: 'signed' | 'forwarded'
  /**
   * How the caller must be proven: by the certificate of its connection (`x509-svid`), or by a token (`jwt-svid`), which whoever has it
   * can use. Default: either.
   */
  readonly proof?: CallerProof | readonly CallerProof[]
  /**
   * Names that the verified certificate of the caller must have (RFC 9525, RFC 5280 §4.2.1.6): of each kind that an object names, one; of a list
   * of objects, what each demands. Needs `allow` or `roles` whose entries name their trust domains.
   */
  readonly subjectAltName?: AltNameRule | readonly AltNameRule[]
  /**
   * Where the request names a tenant: it must be that of the caller, or with the option `tenantOf` that of the origin. Needs the options `tenant` and
   * `tenants.trustDomain`. It comes before everything else.
   */
  readonly tenant?: TenantSource
  /** What must hold as well: all of it, in this order. */
  readonly where?: Condition | Comparison | readonly (Condition | Comparison)[]
  /** Engines that must allow as well, by name: all of them, in this order, after `where`. */
  readonly engines?: readonly (string | EngineUse)[]
  /**
   * `shadow` admits **every** request, with or without an identity, and only reports what the rule
   * decides; callers that an enforced rule around it denies are still refused. Its own `deny` does
   * not reach the routes inside. For a new rule on a route that is in use. Default `enforce`.
   */
  readonly mode?: RuleMode
}

/** Whether a rule is enforced, or only reported. */
export type RuleMode = 'enforce' | 'shadow'

/** How a rule uses an engine. */
export interface EngineUse {
  /** The name of one of the plugin's `engines`. */
  readonly engine: string
  /** What the engine receives. Default: the engine's own `reads`. */
  readonly reads?: readonly AttributeName[]
  /**
   * How old a cached decision may be, in milliseconds; 0 asks the engine each time. Default: 0 for
   * engines of cost `inline`, else the TTL of the plugin's cache, which bounds every value.
   */
  readonly maxAgeMs?: number
  /** How long it may take, in milliseconds. Default: the engine's own `timeoutMs`. */
  readonly timeoutMs?: number
}
