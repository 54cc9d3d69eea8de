import { allow, type Decision, deny, type DenyReason, type Refusal } from './decision.ts'

/** What one step can come to. Made once for each step, so that deciding allocates nothing. */
export interface Outcomes {
  readonly allowed: Decision
  readonly refused: Decision
  /** The same two, out of the cache. */
  readonly allowedCached: Decision
  readonly refusedCached: Decision
  /** The answer was neither `true` nor `false`. */
  readonly notBoolean: Decision
  /** There was no answer before the deadline. */
  readonly timedOut: Decision
  /** Two invalidations overtook the answer. */
  readonly outdated: Decision
  readonly failed: (error: unknown) => Refusal
}

/** What an engine can come to. */
export interface EngineOutcomes extends Outcomes {
  /** It was not asked: its breaker is open. */
  readonly unavailable: Refusal
  /** It was not asked: too many questions are under way. */
  readonly busy: Refusal
  /** It failed, and its earlier decision is used. */
  readonly allowedStale: Decision
  readonly refusedStale: Decision
}

/** The outcomes of a condition. */
export const conditionOutcomes: Outcomes = outcomesBy({
  refused: 'condition-false',
  notBoolean: 'condition-not-boolean',
  timedOut: 'condition-timeout',
  failed: 'condition-failed',
})

/** The outcomes of the engine of this name. */
export function engineOutcomes(engine: string): EngineOutcomes {
  const reasons = {
    refused: 'engine-denied',
    notBoolean: 'engine-not-boolean',
    timedOut: 'engine-timeout',
    failed: 'engine-failed',
  } as const
  const by = <T extends Decision>(decision: T): T => Object.freeze({ ...decision, engine })
  return Object.freeze({
    ...outcomesBy(reasons, engine),
    unavailable: by(deny('engine-unavailable')),
    busy: by(deny('engine-busy')),
    allowedStale: by(allow('stale', true)),
    refusedStale: by(deny('stale', true)),
  })
}

type Reasons = Readonly<Record<'refused' | 'notBoolean' | 'timedOut' | 'failed', DenyReason>>

function outcomesBy(reasons: Reasons, engine?: string): Outcomes {
  const by = <T extends Decision>(decision: T): T =>
    engine === undefined ? decision : Object.freeze({ ...decision, engine })
  return Object.freeze({
    allowed: by(allow('allowed')),
    refused: by(deny(reasons.refused)),
    allowedCached: by(allow('allowed', true)),
    refusedCached: by(deny(reasons.refused, true)),
    notBoolean: by(deny(reasons.notBoolean)),
    timedOut: by(deny(reasons.timedOut)),
    outdated: by(deny('decision-outdated')),
    failed: (error: unknown) => Object.freeze({ ...by(deny(reasons.failed)), error }),
  })
}

/** The last decision of an engine, in place of the one that it fails to make. */
export interface StaleOutcomes {
  /** For how long after its end, in milliseconds. */
  readonly ms: number
  readonly allowed: Decision
  readonly refused: Decision
}
