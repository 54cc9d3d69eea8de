import type { CompiledRule } from './compile.ts'

/** The rules of one route: one for all of its methods, or one for each. */
export type RulesOfRoute = CompiledRule | ReadonlyMap<string, CompiledRule> | null

/** The rules of all routes as they were compiled together. They are replaced together. */
export interface RuleSet {
  /** The version of the policy document. */
  readonly version: string
  /** By the number of the route. */
  readonly rules: readonly RulesOfRoute[]
  /** The rule of requests that match no route. */
  readonly notFound: CompiledRule | null
}
