import type { FastifyInstance } from 'fastify'
import { type CompiledRule, domainsOf, type RuleSet } from '@fastify-spiffe/policy/internal'

/** So many are named in the log. */
const MAX_NAMED = 20
const MESSAGE =
  'rules name trust domains whose bundle the service does not have: nobody of theirs can be proven. ' +
  'Federate with them, or correct the rules'

/** Logs, once for each set of rules, the trust domains of which nobody can come. */
export function warnOfUnprovable(fastify: FastifyInstance, rules: RuleSet): void {
  // A `peer` of another kind need not know.
  if (!fastify.hasDecorator('provableTrustDomains')) return
  const provable = fastify.provableTrustDomains()
  if (provable === null) return
  const trustDomains = [...domainsIn(rules)].filter((name) => !provable.has(name))
  if (trustDomains.length === 0) return
  fastify.log.warn(
    {
      code: 'trust-domain-without-bundle',
      trustDomains: trustDomains.slice(0, MAX_NAMED),
      policyVersion: rules.version,
    },
    MESSAGE,
  )
}

/** All trust domains that rules name, those of matchers that do not say theirs left out. */
function domainsIn({ rules, notFound }: RuleSet): ReadonlySet<string> {
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
