import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { Attributes } from '../attributes/attributes.ts'
import type { AdaptiveBypass } from '../cache/adaptive-bypass.ts'
import type { AttributeProvider } from '../attributes/provider.ts'
import type { AttributeSource } from '../attributes/sources.ts'
import type { Decision } from '../decision/decision.ts'
import type { StandIn, Verdicts } from '../decision/outcomes.ts'

/** What must hold as well once the rule has let the caller in: a condition of the route, or an engine. */
export interface Step {
  /** Tells the steps of one plugin apart, in the keys of decisions. Never used twice. */
  readonly index: number
  /** The engine's name; `null` for a condition. */
  readonly engine: string | null
  /** What a comparison says, as JSON; `null` for what only code can tell. */
  readonly text: string | null
  /** What the step reads of the request. */
  readonly sources: readonly AttributeSource[]
  /** Who has to be asked before they can be read. */
  readonly providers: readonly AttributeProvider[]
  readonly verdicts: Verdicts
  /** How old a remembered decision may be, in milliseconds; 0: none is remembered. */
  readonly maxAgeMs: number
  /** Watches whether remembering pays; `null`: the rule says so, or it always does. */
  readonly bypass: AdaptiveBypass | null
  /** Numbers the policies of an engine as they are now; part of the key. */
  readonly policyVersion: (() => string | number) | null
  /** What may stand in when an engine fails; `null`: nothing may. */
  readonly standIn: StandIn | null
  /** Whether a decision depends on more than the identity: on the request, or on the version of policies. */
  readonly varies: boolean
  /** Whether it costs enough to count against the quota of a tenant although nothing of it is remembered. */
  readonly isMetered: boolean
  /** @param tenant - the key of the caller's tenant; absent where nobody calls */
  readonly ask: (
    spiffeId: SpiffeId,
    attributes: Attributes,
    tenant?: string,
  ) => Decision | Promise<Decision>
}
