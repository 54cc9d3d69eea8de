import { SpiffeId } from '@fastify-spiffe/spiffe'
import { type AttributeValue, attributesView } from '../condition/attributes.ts'
import type { AttributeSource } from '../condition/sources.ts'
import { AuthzError } from '../errors.ts'
import type { CompiledRule } from '../rule/compile.ts'
import type { RouteRules, RuledRoute } from '../rule/route-rules.ts'
import type { RuleSet } from '../rule/rule-set.ts'
import type { Step } from '../step/step.ts'
import type { PolicyTest } from './document.ts'
import type { Policy } from './policy.ts'

/**
 * Decides each test of a document by its rules. Engines are not asked.
 *
 * @throws {AuthzError} `policy-test-failed`, naming the first test with another outcome
 */
export async function runTests(policy: Policy, routes: RouteRules, rules: RuleSet): Promise<void> {
  for (const [position, test] of policy.tests.entries()) {
    const { route, as, expect } = test
    const [method = '', url = ''] = route.split(' ', 2)
    const outcomes = await decideAll(routes.find(method, url, rules), test)
    const other = outcomes.find((outcome) => outcome !== expect)
    if (other === undefined) continue
    const who = as ?? 'nobody'
    throw new AuthzError(
      'policy-test-failed',
      `${policy.source}: tests[${position}]: ${route} as ${who}: expected ${expect}, got ${other}`,
    )
  }
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
      rule === null ? 'no-route' : await decide(rule, method, test),
    ),
  )
}

async function decide(
  { identify, tenant, steps }: CompiledRule,
  method: string,
  { as, attributes = {} }: PolicyTest,
): Promise<PolicyTest['expect']> {
  const id = as === null ? null : SpiffeId.parse(as)
  if (id === null) return identify(id).allowed ? 'allow' : 'deny'
  const given = { ...attributes, method }
  if (tenant !== null && !tenant.admits(id, valueOf(tenant.source, id, given))) return 'deny'
  if (!identify(id).allowed) return 'deny'
  for (const step of steps.filter(({ engine }) => engine === null)) {
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
