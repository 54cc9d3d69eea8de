import { compileComparison, isComparison } from '../attributes/comparison.ts'
import type { Check } from '../attributes/condition.ts'
import {
  compileFreshness,
  compileReads,
  compileTimeout,
  providersOf,
  type StepContext,
  stepMembers,
  type StepPlace,
} from './step-options.ts'
import { evaluate } from '../decision/evaluate.ts'
import type { Step } from './step.ts'
import { conditionVerdicts } from '../decision/outcomes.ts'

const KEYS = ['reads', 'check', 'freshness', 'timeoutMs'] as const

/**
 * Compiles a condition, or a comparison, which is a condition as plain data.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileCondition(at: StepPlace, condition: unknown, context: StepContext): Step {
  const { place, key } = at
  const given = isComparison(condition)
    ? conditionOf(at, condition)
    : stepMembers(at, condition, KEYS)
  const { check, reads, freshness = 'cached', ...times } = Object.fromEntries(given)
  const sources = compileReads(at, reads, context)
  if (!isCheck(check)) return place.refuse(`${key}.check`, check, 'must be a function')
  const timeoutMs = compileTimeout(at, times['timeoutMs'] ?? context.timeoutMs)
  return {
    index: context.nextIndex(),
    engine: null,
    text: isComparison(condition) ? JSON.stringify(condition) : null,
    sources,
    providers: providersOf(sources),
    verdicts: conditionVerdicts,
    maxAgeMs: compileFreshness(at, freshness),
    bypass: null,
    policyVersion: null,
    standIn: null,
    isMetered: false,
    varies: sources.some(({ varies }) => varies),
    ask: (_spiffeId, attributes) =>
      evaluate((it) => check(attributes, it), timeoutMs, conditionVerdicts),
  }
}

/** A comparison costs less than a look-up. */
function conditionOf({ place, key }: StepPlace, value: unknown): ReadonlyMap<string, unknown> {
  const { reads, holds } = compileComparison(place, key, value)
  return new Map<string, unknown>([
    ['reads', reads],
    ['check', holds],
    ['freshness', 'always'],
  ])
}

function isCheck(check: unknown): check is Check {
  return typeof check === 'function'
}
