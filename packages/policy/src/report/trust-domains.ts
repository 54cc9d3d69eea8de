import { domainsOf } from '../principals/matcher.ts'
import type { CompiledRule } from '../rules/compile.ts'
import { type RuleSet, rulesIn } from '../rules/rule-set.ts'

/** All trust domains that rules name, those of matchers that do not say theirs left out. */
export function trustDomainsIn({ rules, notFound }: RuleSet): ReadonlySet<string> {
  const domains = new Set<string>()
  for (const rulesOfRoute of [...rules, notFound]) {
    for (const rule of rulesIn(rulesOfRoute)) {
      for (const name of domainsOfRule(rule)) domains.add(name)
    }
  }
  return domains
}

function* domainsOfRule({
  description: { grant, denied, behalf },
}: CompiledRule): Iterable<string> {
  const granted = typeof grant === 'string' ? [] : grant.entries
  const origins = behalf === null || behalf.origins === 'itself' ? [] : behalf.origins.entries
  const between = behalf?.via.entries ?? []
  for (const entry of [...granted, ...(denied?.entries ?? []), ...origins, ...between])
    yield* domainsOf(entry) ?? []
}
