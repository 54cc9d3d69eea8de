import { domainsOf } from '../principals/matcher.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { RuleSet } from '../rules/rule-set.ts'

/** All trust domains that rules name, those of matchers that do not say theirs left out. */
export function trustDomainsIn({ rules, notFound }: RuleSet): ReadonlySet<string> {
  const domains = new Set<string>()
  for (const rule of [...rules, notFound]) {
    if (rule === null) continue
    for (const each of 'identify' in rule ? [rule] : rule.values()) {
      for (const name of domainsOfRule(each)) domains.add(name)
    }
  }
  return domains
}

function* domainsOfRule({ description: { grant, denied } }: CompiledRule): Iterable<string> {
  const granted = typeof grant === 'string' ? [] : grant.entries
  for (const entry of [...granted, ...(denied?.entries ?? [])]) yield* domainsOf(entry) ?? []
}
