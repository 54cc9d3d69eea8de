import type { CompiledRule } from './compile.ts'

/** The rules of one route: one for all of its methods, or one for each. */
export type RulesOfRoute = CompiledRule | ReadonlyMap<string, CompiledRule> | null

/** The rule of one method of a route; `null`: there is none. */
export function ruleOfMethod(rules: RulesOfRoute | undefined, method: string): CompiledRule | null {
  if (rules === undefined || rules === null) return null
  return isOne(rules) ? rules : (rules.get(method) ?? null)
}

/** Each rule of a route. */
export function rulesIn(rules: RulesOfRoute): Iterable<CompiledRule> {
  if (rules === null) return []
  return isOne(rules) ? [rules] : rules.values()
}

function isOne(rules: NonNullable<RulesOfRoute>): rules is CompiledRule {
  return 'identify' in rules
}

/** The rules of all routes as they were compiled together. They are replaced together. */
export interface RuleSet {
  /** The version of the policy document. */
  readonly version: string
  /** By the number of the route. */
  readonly rules: readonly RulesOfRoute[]
  /** The rule of requests that match no route. */
  readonly notFound: CompiledRule | null
}
