import type { AllowReason, DenyReason } from '../decision/decision.ts'
import type { RuleMode } from '../document/route-rule.ts'
import type { StatedCall, StatedChain } from '../document/stated-call.ts'

/** The description of a request, to ask how it would be decided. */
export interface ExplainRequest extends StatedCall {
  readonly method: string
  /** The URL pattern of the route. One that several routes have with this method is ambiguous. */
  readonly route: string
  /** The caller's SPIFFE ID; `null` for one without. */
  readonly spiffeId: string | null
}

/** On whose behalf a call is made, as SPIFFE IDs. */
export type ExplainedChain = Required<StatedChain>

/** The decision for a request, and its reasons. Plain data. */
export interface Explanation {
  readonly decision: 'allow' | 'deny'
  readonly reason: AllowReason | DenyReason
  readonly policyVersion: string
  readonly mode: RuleMode
  /** On whose behalf the call is made; `null`: the caller acts for itself. */
  readonly chain: ExplainedChain | null
  /** Where the rule is; `null`: there is none. */
  readonly source: string | null
  /** Everything that the rule requires, in order, and its outcome. */
  readonly findings: readonly Finding[]
}

/** One requirement of a rule. */
export interface Finding {
  /** `tenant`, `deny[0]`, `allow[2]`, `onBehalfOf`, `proof`, `subjectAltName`, `where[0]`, `engines[0]`. */
  readonly check: string
  /** The entry of the list, what a condition reads, or the name of an engine. */
  readonly what: string
  /** `not-asked`: what came before had decided. */
  readonly outcome: 'matches' | 'does-not-match' | 'holds' | 'does-not-hold' | 'not-asked'
  /** Why something does not hold. */
  readonly reason?: DenyReason
}
