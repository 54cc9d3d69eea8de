import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { AttributeName, Attributes } from '../condition/attributes.ts'
import type { CheckContext } from '../step/deadline.ts'
import type { Tenant } from '../tenant.ts'

/**
 * What a decision costs:
 *
 * - `inline`: less than a look-up, some 100 ns; nothing is remembered unless a route asks for it;
 * - `cpu`: computed in this process, synchronously: a deadline could not interrupt it;
 * - `io`: asked of another process.
 */
export type EngineCost = 'inline' | 'cpu' | 'io'

/** Something that decides by policies of its own, such as OPA or Cedar. It only ever takes away: a rule has to let the caller in first. */
export interface Engine {
  /** By which rules, logs and metrics call it: lower-case letters, digits and hyphens. */
  readonly name: string
  readonly cost: EngineCost
  /** What it receives where a rule does not say. Default: nothing beyond the question itself. */
  readonly reads?: readonly AttributeName[]
  /** How long it may take, in milliseconds. Default: by `cost`, 2 for `inline` and `cpu`, 200 for `io`. */
  readonly timeoutMs?: number
  /** Names its policies as they are now. Whatever was decided under another name is not used again. */
  readonly policyVersion?: () => string | number
  /**
   * Lets in by `true`, and by nothing else. `false` refuses, and is remembered; any other value, an error and a missed
   * deadline refuse, and are not.
   */
  decide(question: EngineQuestion, context: CheckContext): boolean | Promise<boolean>
  /** Called when the application closes. */
  close?(): void | Promise<void>
}

/** What an engine is asked: all that its decision may depend on. Frozen. */
export interface EngineQuestion {
  readonly spiffeId: SpiffeId
  /** The caller's tenant; `null` where it has none, or the plugin no tenant template. */
  readonly tenant: Tenant | null
  readonly method: string
  /** The URL pattern of the route, such as `/orders/:id`. */
  readonly route: string
  /** The attributes that the rule declares, or the engine's own `reads`; the name of any other throws. */
  readonly attributes: Partial<Attributes>
}
