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
import { compose, type RequirementParts } from './compose.ts'
import type { Requirement } from './requirement.ts'
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
  const parts = isComparison(condition)
    ? comparisonParts(at, condition, context)
    : checkParts(at, condition, context)
  return compose(
    {
      ...parts,
      index: context.nextIndex(),
      engine: null,
      providers: providersOf(parts.sources),
      outcomes: conditionOutcomes,
      bypass: null,
      policyVersion: null,
      stale: null,
      isMetered: false,
      varies: parts.sources.some(({ varies }) => varies),
    },
    context,
  )
}

/** In what a comparison and a check of the application differ. */
type ConditionParts = Pick<RequirementParts, 'text' | 'sources' | 'maxAgeMs' | 'ask'>

/** A comparison costs less than a look-up: nothing is cached. */
function comparisonParts(
  at: RequirementLocation,
  comparison: unknown,
  context: RequirementContext,
): ConditionParts {
  const { reads, holds } = compileComparison(at.place, at.key, comparison)
  return {
    text: JSON.stringify(comparison),
    sources: compileReads(at, reads, context),
    maxAgeMs: 0,
    ask: ({ values }) => evaluate(() => holds(values), context.timeoutMs, conditionOutcomes),
  }
}

function checkParts(
  at: RequirementLocation,
  condition: unknown,
  context: RequirementContext,
): ConditionParts {
  const { place, key } = at
  const { check, reads, ...times } = Object.fromEntries(requirementMembers(at, condition, KEYS))
  const sources = compileReads(at, reads, context)
  if (!isCheck(check)) return place.refuse(`${key}.check`, check, 'must be a function')
  const timeoutMs = compileTimeout(at, times['timeoutMs'] ?? context.timeoutMs)
  return {
    text: null,
    sources,
    maxAgeMs: compileMaxAge(at, times['maxAgeMs']),
    ask: ({ values }) => {
      const attributes = attributesView(sources, values)
      return evaluate((it) => check(attributes, it), timeoutMs, conditionOutcomes)
    },
  }
}

function isCheck(check: unknown): check is Check {
  return typeof check === 'function'
}
