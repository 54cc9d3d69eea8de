import { allow, type Decision, deny, type DenyReason, type Refusal } from './decision.ts'

/** What one step can come to. Made once for each step, so that deciding allocates nothing. */
export interface Verdicts {
  readonly allowed: Decision
  readonly refused: Decision
  /** The same two, out of the cache. */
  readonly allowedBefore: Decision
  readonly refusedBefore: Decision
  /** The answer was neither `true` nor `false`. */
  readonly notBoolean: Decision
  /** There was no answer before the deadline. */
  readonly late: Decision
  /** Two invalidations overtook the answer. */
  readonly outdated: Decision
  readonly failed: (error: unknown) => Refusal
}

/** What an engine can come to. */
export interface EngineVerdicts extends Verdicts {
  /** It was not asked: its breaker is open. */
  readonly unavailable: Refusal
  /** It was not asked: too many questions are under way. */
  readonly busy: Refusal
  /** It failed, and what it said before stands in. */
  readonly allowedLast: Decision
  readonly refusedLast: Decision
}

/** The verdicts of a condition. */
export const conditionVerdicts: Verdicts = verdictsBy({
  refused: 'condition-false',
  notBoolean: 'condition-not-boolean',
  late: 'condition-timeout',
  failed: 'condition-failed',
})

/** The verdicts of the engine of this name. */
export function engineVerdicts(engine: string): EngineVerdicts {
  const reasons = {
    refused: 'engine-denied',
    notBoolean: 'engine-not-boolean',
    late: 'engine-timeout',
    failed: 'engine-failed',
  } as const
  const by = <T extends Decision>(decision: T): T => Object.freeze({ ...decision, engine })
  return Object.freeze({
    ...verdictsBy(reasons, engine),
    unavailable: by(deny('engine-unavailable')),
    busy: by(deny('engine-busy')),
    allowedLast: by(allow('last-decision', true)),
    refusedLast: by(deny('last-decision', true)),
  })
}

type Reasons = Readonly<Record<'refused' | 'notBoolean' | 'late' | 'failed', DenyReason>>

function verdictsBy(reasons: Reasons, engine?: string): Verdicts {
  const by = <T extends Decision>(decision: T): T =>
    engine === undefined ? decision : Object.freeze({ ...decision, engine })
  return Object.freeze({
    allowed: by(allow('allowed')),
    refused: by(deny(reasons.refused)),
    allowedBefore: by(allow('allowed', true)),
    refusedBefore: by(deny(reasons.refused, true)),
    notBoolean: by(deny(reasons.notBoolean)),
    late: by(deny(reasons.late)),
    outdated: by(deny('decision-outdated')),
    failed: (error: unknown) => Object.freeze({ ...by(deny(reasons.failed)), error }),
  })
}

/** The last decision of an engine, in place of the one that it fails to make. */
export interface StandIn {
  /** For how long after its end, in milliseconds. */
  readonly ms: number
  readonly allowed: Decision
  readonly refused: Decision
}
