import type { CompiledRule } from '../rules/compile.ts'
import type { RuleTable } from '../rules/rule-table.ts'

/** Method and pattern of each route that a `public` rule opens to everybody; `notFound` for calls that match none. */
export function publicRoutesIn(table: RuleTable): readonly string[] {
  const { active } = table
  const routes = Array.from(table.list(active)).filter(
    // HEAD goes with GET.
    ({ method, rule }) => method !== 'HEAD' && isPublic(rule),
  )
  const names = routes.map(({ method, url }) => `${method} ${url}`)
  return isPublic(active.notFound) ? [...names, 'notFound'] : names
}

function isPublic(rule: CompiledRule | null): boolean {
  return rule?.description.grant === 'public'
}
