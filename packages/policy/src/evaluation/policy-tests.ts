import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describeName } from '@fastify-spiffe/spiffe/internal'
import type { AttributeSource } from '../attributes/sources.ts'
import { PolicyError } from '../errors.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { RuleTable, RuledRoute } from '../rules/rule-table.ts'
import type { RuleSet } from '../rules/rule-set.ts'
import { describeRoute, type PolicyTest } from '../document/document.ts'
import type { Policy } from '../document/policy.ts'
import { Evaluator } from './evaluator.ts'
import { hypotheticalWithoutEngines, isOfRequest } from './methods.ts'
import { describeStated, thinkUp } from './think-up.ts'

const rehearsal = new Evaluator(hypotheticalWithoutEngines)

/**
 * Decides each test of a document by its rules, as they are enforced: in shadow mode they refuse nobody. Engines are not
 * asked.
 *
 * @throws {PolicyError} `policy-test-failed`, naming the first test with another outcome, or with an attribute that no rule
 *   of its route reads: a test by a misspelt one would pass whatever the rule says
 */
export async function runTests(policy: Policy, routes: RuleTable, rules: RuleSet): Promise<void> {
  for (const [position, test] of policy.tests.entries()) {
    const { route, as, expect } = test
    const [method = '', url = ''] = route.split(' ', 2)
    const tested = routes.find(method, url, rules)
    const outcomes = await decideAll(tested, test)
    const other = outcomes.find((outcome) => outcome !== expect)
    const fail = (what: string): never => {
      const place = `${policy.source}: tests[${position}]`
      throw new PolicyError('policy-test-failed', `${place}: ${describeRoute(route)} ${what}`)
    }
    if (test.chain !== undefined && !routes.hasChains) fail('has a chain, and calls carry none')
    const who = `${as ?? 'nobody'}${describeStated(test)}`
    if (other !== undefined) fail(`as ${who}: expected ${expect}, got ${other}`)
    const unread = unreadAttribute(test, tested)
    if (unread !== undefined) fail(`reads no attribute "${describeName(unread)}"`)
  }
}

/** A name among the attributes of a test that none of its routes reads. */
function unreadAttribute(
  { attributes = {} }: PolicyTest,
  tested: readonly RuledRoute[],
): string | undefined {
  const read = new Set(tested.flatMap(({ rule }) => (rule === null ? [] : readsOf(rule))))
  return Object.keys(attributes).find((name) => !read.has(name))
}

/** What a test can say of a call: the rest follows from its caller and its route. Engines are not asked. */
function readsOf({ tenant, requirements }: CompiledRule): readonly string[] {
  const conditions = requirements.filter(({ engine }) => engine === null)
  const compared = tenant === null ? [] : [tenant.source]
  const sources = [...compared, ...conditions.flatMap((condition) => condition.sources)]
  return sources.filter(isStated).map(({ name }) => name)
}

function isStated(source: AttributeSource): boolean {
  return isOfRequest(source) && source.name !== 'method'
}

/** `failure`: the rule itself threw. */
type Outcome = PolicyTest['expect'] | 'no-route' | 'failure'

/** What comes out for each of the routes that a test names. */
async function decideAll(
  routes: readonly RuledRoute[],
  test: PolicyTest,
): Promise<readonly Outcome[]> {
  if (routes.length === 0) return ['no-route']
  return Promise.all(
    routes.map(async ({ method, rule }) =>
      rule === null ? 'no-route' : await enforce(rule, method, test),
    ),
  )
}

async function enforce(rule: CompiledRule, method: string, test: PolicyTest): Promise<Outcome> {
  const id = test.as === null ? null : SpiffeId.parse(test.as)
  const call = thinkUp(id, test, method)
  if (!rule.isEnforcedFor(id, call.chain)) return 'allow'
  const { allowed, reason } = await rehearsal.decide(call, call.caller, rule)
  if (reason === 'rule-failed') return 'failure'
  return allowed ? 'allow' : 'deny'
}
