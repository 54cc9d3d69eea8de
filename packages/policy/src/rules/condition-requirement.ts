import { compileComparison, isComparison } from '../attributes/comparison.ts'
import { attributesView } from '../attributes/attributes.ts'
import type { Check } from '../attributes/condition.ts'
import {
  compileMaxAge,
  compileReads,
  compileTimeout,
  providersOf,
  type RequirementContext,
  requirementMembers,
  type RequirementLocation,
} from './requirement-options.ts'
import { evaluate } from '../decision/evaluate.ts'
import { compose } from './compose.ts'
import type { Requirement, RequirementQuery } from './requirement.ts'
import { conditionOutcomes } from '../decision/outcomes.ts'

const KEYS = ['reads', 'check', 'maxAgeMs', 'timeoutMs'] as const

/**
 * Compiles a condition, or a comparison, which is a condition as plain data.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileCondition(
  at: RequirementLocation,
  condition: unknown,
  context: RequirementContext,
): Requirement {
  const { place, key } = at
  const given = isComparison(condition)
    ? conditionOf(at, condition)
    : requirementMembers(at, condition, KEYS)
  const { check, reads, ...times } = Object.fromEntries(given)
  const sources = compileReads(at, reads, context)
  if (!isCheck(check)) return place.refuse(`${key}.check`, check, 'must be a function')
  const timeoutMs = compileTimeout(at, times['timeoutMs'] ?? context.timeoutMs)
  const parts = {
    index: context.nextIndex(),
    engine: null,
    text: isComparison(condition) ? JSON.stringify(condition) : null,
    sources,
    providers: providersOf(sources),
    outcomes: conditionOutcomes,
    maxAgeMs: compileMaxAge(at, times['maxAgeMs']),
    bypass: null,
    policyVersion: null,
    stale: null,
    isMetered: false,
    varies: sources.some(({ varies }) => varies),
    ask: ({ values }: RequirementQuery) => {
      const attributes = attributesView(sources, values)
      return evaluate((it) => check(attributes, it), timeoutMs, conditionOutcomes)
    },
  }
  return compose(parts, context)
}

/** A comparison costs less than a look-up. */
function conditionOf(
  { place, key }: RequirementLocation,
  value: unknown,
): ReadonlyMap<string, unknown> {
  const { reads, holds } = compileComparison(place, key, value)
  return new Map<string, unknown>([
    ['reads', reads],
    ['check', holds],
    ['maxAgeMs', 0],
  ])
}

function isCheck(check: unknown): check is Check {
  return typeof check === 'function'
}
