import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { AttributeName, Attributes } from '../attributes/attributes.ts'
import type { CheckContext } from '../deadline.ts'
import type { Tenant } from '../principals/tenant.ts'
import type { BreakerOptions } from './breaker.ts'

/**
 * What a decision costs:
 *
 * - `inline`: less than a lookup, some 100 ns; nothing is cached unless a route asks for it;
 * - `cpu`: computed in this process, synchronously: a deadline could not interrupt it;
 * - `io`: asked of another process.
 */
export type EngineCost = 'inline' | 'cpu' | 'io'

/**
 * Something that decides by policies of its own, such as OPA or Cedar. It can only restrict: a rule
 * must admit the caller first.
 */
export interface Engine {
  /** By which rules, logs and metrics call it: lower-case letters, digits and hyphens. */
  readonly name: string
  readonly cost: EngineCost
  /** The attributes that it receives unless a rule declares others. Default: none. */
  readonly reads?: readonly AttributeName[]
  /** How long it may take, in milliseconds. Default: by `cost`, 2 for `inline` and `cpu`, 200 for `io`. */
  readonly timeoutMs?: number
  /**
   * Questions that may be under way at a time; more are refused. Default 256. From 4 on they are shared: a trust domain has
   * at most three quarters of what the others have left under way, and a tenant half of what its trust domain may have. One counts until {@link decide} has settled,
   * even past its deadline, or an engine that hangs could pile up calls without end. The price: while calls hang that do not
   * end when their signal aborts, they keep others out, and calls that never end keep them out for good.
   */
  readonly maxInFlight?: number
  /** An answer that takes longer counts against the engine, as a failure does, in milliseconds. Default: none does. */
  readonly slowMs?: number
  /** When the engine is left alone after failures, for each tenant by itself. */
  readonly breaker?: BreakerOptions
  /**
   * What happens to a request that the engine fails to decide. `deny` refuses it. `stale`
   * **gives up freshness**: the engine's last decision on the very same question is used for {@link
   * staleIfErrorMs} more, even if its policies have changed since in a way that it did not notice.
   * Default `deny`.
   */
  readonly onError?: 'deny' | 'stale'
  /** How long after its end a decision may be used, in milliseconds. Default 60 000. */
  readonly staleIfErrorMs?: number
  /**
   * Names its policies as they are now. Asked when a question begins and when it ends. When the name changes, nothing that
   * was decided before is used again, not even once an earlier name returns.
   */
  readonly policyVersion?: () => string | number
  /**
   * Only `true` allows. `false` refuses, and is cached; any other value, an error and a missed
   * deadline refuse, and are not cached. It should settle soon after the signal of its context
   * aborts.
   */
  decide(question: EngineRequest, context: CheckContext): boolean | Promise<boolean>
  /** Called when the application closes. */
  close?(): void | Promise<void>
}

/** What an engine is asked: all that its decision may depend on. Frozen. */
export interface EngineRequest {
  readonly spiffeId: SpiffeId
  /** The caller's tenant; `null` where it has none, or the plugin no tenant template. */
  readonly tenant: Tenant | null
  readonly method: string
  /** The URL pattern of the route, such as `/orders/:id`. */
  readonly route: string
  /** The attributes that the rule declares, or the engine's own `reads`; the name of any other throws. */
  readonly attributes: Partial<Attributes>
}
