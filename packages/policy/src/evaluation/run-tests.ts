import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describeName } from '@fastify-spiffe/spiffe/internal'
import { type AttributeValue, attributesView } from '../attributes/attributes.ts'
import type { AttributeSource } from '../attributes/sources.ts'
import { PolicyError } from '../errors.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { RuleTable, RuledRoute } from '../rules/rule-table.ts'
import type { RuleSet } from '../rules/rule-set.ts'
import type { Step } from '../rules/step.ts'
import { describeRoute, type PolicyTest } from '../document/document.ts'
import type { Policy } from '../document/policy.ts'

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
    if (other !== undefined) fail(`as ${as ?? 'nobody'}: expected ${expect}, got ${other}`)
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

/** What a test can say of a request: the rest follows from its caller and its route. */
function readsOf({ tenant, steps }: CompiledRule): readonly string[] {
  const compared = tenant === null ? [] : [tenant.source]
  const sources = [...compared, ...conditionsOf(steps).flatMap((step) => step.sources)]
  return sources.filter(({ name, varies }) => varies && name !== 'method').map(({ name }) => name)
}

/** Engines are not asked. */
function conditionsOf(steps: readonly Step[]): readonly Step[] {
  return steps.filter(({ engine }) => engine === null)
}

type Outcome = PolicyTest['expect'] | 'no-route'

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

async function enforce(
  rule: CompiledRule,
  method: string,
  { as, attributes }: PolicyTest,
): Promise<PolicyTest['expect']> {
  const id = as === null ? null : SpiffeId.parse(as)
  return rule.isEnforcedFor(id) ? decide(rule, id, { ...attributes, method }) : 'allow'
}

async function decide(
  { identify, tenant, steps }: CompiledRule,
  id: SpiffeId | null,
  given: Readonly<Record<string, string>>,
): Promise<PolicyTest['expect']> {
  if (id === null) return identify(id).allowed ? 'allow' : 'deny'
  if (tenant !== null && !tenant.admits(id, valueOf(tenant.source, id, given))) return 'deny'
  if (!identify(id).allowed) return 'deny'
  for (const step of conditionsOf(steps)) {
    if (!(await holds(step, id, given))) return 'deny'
  }
  return 'allow'
}

async function holds(
  { sources, ask }: Step,
  id: SpiffeId,
  given: Readonly<Record<string, string>>,
): Promise<boolean> {
  const values = sources.map((source) => valueOf(source, id, given))
  return isComplete(values) && (await ask(id, attributesView(sources, values))).allowed
}

function valueOf(
  source: AttributeSource,
  id: SpiffeId,
  attributes: Readonly<Record<string, string>>,
): AttributeValue | null {
  if (!source.varies) return source.read(id)
  return Object.hasOwn(attributes, source.name) ? attributes[source.name] : undefined
}

function isComplete(values: readonly (AttributeValue | null)[]): values is AttributeValue[] {
  return !values.includes(null)
}
