import { SpiffeId } from '@fastify-spiffe/spiffe'
import { type AttributeValue, attributesView } from '../condition/attributes.ts'
import type { AttributeSource } from '../condition/sources.ts'
import { AuthzError } from '../errors.ts'
import type { CompiledRule } from '../rule/compile.ts'
import type { RouteRules } from '../rule/route-rules.ts'
import type { RuleSet } from '../rule/rule-set.ts'
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
    const rule = routes.find(method, url, rules)
    const outcome = rule === null ? 'no-route' : await decide(rule, method, test)
    if (outcome === expect) continue
    const who = as ?? 'nobody'
    throw new AuthzError(
      'policy-test-failed',
      `${policy.source}: tests[${position}]: ${route} as ${who}: expected ${expect}, got ${outcome}`,
    )
  }
}

async function decide(
  { identify, steps }: CompiledRule,
  method: string,
  { as, attributes = {} }: PolicyTest,
): Promise<'allow' | 'deny'> {
  const id = as === null ? null : SpiffeId.parse(as)
  if (!identify(id).allowed) return 'deny'
  if (id === null) return 'allow'
  for (const { engine, sources, ask } of steps) {
    if (engine !== null) continue
    const values = sources.map((source) => valueOf(source, id, { ...attributes, method }))
    if (!isComplete(values)) return 'deny'
    const { allowed } = await ask(id, attributesView(sources, values))
    if (!allowed) return 'deny'
  }
  return 'allow'
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
