import type { Condition } from '../condition/condition.ts'
import {
  compileFreshness,
  compileReads,
  compileTimeout,
  type StepContext,
  type StepPlace,
} from './compile.ts'
import { evaluate } from './evaluate.ts'
import type { Step } from './step.ts'
import { conditionVerdicts } from './verdicts.ts'

const KEYS = ['reads', 'check', 'freshness', 'timeoutMs'] as const

/**
 * Compiles a condition.
 *
 * @throws {AuthzError} `invalid-rule`
 */
export function compileCondition(at: StepPlace, condition: unknown, context: StepContext): Step {
  const { place, key } = at
  const given = place.members(key, condition, KEYS)
  const { check, reads, freshness = 'cached', ...times } = Object.fromEntries(given)
  const sources = compileReads(at, reads, context)
  if (!isCheck(check)) return place.refuse(`${key}.check`, check, 'must be a function')
  const timeoutMs = compileTimeout(at, times['timeoutMs'] ?? context.timeoutMs)
  return {
    index: context.nextIndex(),
    engine: null,
    sources,
    verdicts: conditionVerdicts,
    maxAgeMs: compileFreshness(at, freshness),
    policyVersion: null,
    ask: (_spiffeId, attributes) =>
      evaluate((it) => check(attributes, it), timeoutMs, conditionVerdicts),
  }
}

function isCheck(check: unknown): check is Condition['check'] {
  return typeof check === 'function'
}
