// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import type { AttributeSource } from '../attributes/sources.ts'
import { allow, deny } from '../decision/decision.ts'
import type { PolicyTest } from '../document/document.ts'
import type { PolicyError } from '../errors.ts'
import type { Policy } from '../document/policy.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { Requirement } from '../rules/requirement.ts'
import type { RuleSet } from '../rules/rule-set.ts'
import type { RuledRoute, RuleTable } from '../rules/rule-table.ts'
import { runTests } from './policy-tests.ts'
import { ruleOf } from './rule.test.helper.ts'

const WEB = 'spiffe://example.org/acme/web'
const RULES: RuleSet = { version: 'v1', rules: [], notFound: null }
const PASSES = undefined
const FAILS = 'policy-test-failed'

function fails(): never {
  throw new Error('broken')
}

const sourceOf = (name: string, varies = true): AttributeSource => ({
  name,
  varies,
  read: () => 'of the route',
  refusal: deny('ambiguous-attribute'),
  provider: null,
})

/** A requirement that holds when its first attribute is `eu`. */
const requirementOf = (engine: string | null, ...sources: AttributeSource[]): Requirement => ({
  engine,
  text: null,
  sources,
  providers: [],
  maxAgeMs: 0,
  decide: fails,
  ask: (call, caller, read) =>
    read(sources[0]!, call, caller) === 'eu' ? allow('allowed') : deny('condition-false'),
})

/** A rule that admits `WEB`. */
function ruleOfWeb(more: Partial<CompiledRule> = {}): CompiledRule {
  return ruleOf({
    identify: (id) => (id?.toString() === WEB ? allow('allowed') : deny('not-allowed')),
    ...more,
  })
}

const ALLOWS = { route: 'GET /', as: WEB, expect: 'allow' } as const
const DENIES = { ...ALLOWS, expect: 'deny' } as const

/** The code with which one test of a document fails, whose route has these rules. */
async function outcomeOf(
  one: PolicyTest | readonly PolicyTest[],
  ...rules: (CompiledRule | null)[]
): Promise<string | undefined> {
  const asked: unknown[][] = []
  const routes: RuledRoute[] = rules.map((rule) => ({ method: 'GET', url: '/', rule }))
  const table = {
    find: (...values: unknown[]) => {
      asked.push(values)
      return routes
    },
  } as unknown as RuleTable
  const tests = [one].flat()
  const code = await runTests({ tests, source: 'policy' } as unknown as Policy, table, RULES).then(
    () => undefined,
    (error: PolicyError) => error.code,
  )
  for (const values of asked) expect(values).toEqual(['GET', '/', RULES])
  return code
}

describe('a test of a document', () => {
  test('passes where its outcome is what it expects, and fails otherwise', async () => {
    expect(await outcomeOf(ALLOWS, ruleOfWeb())).toBe(PASSES)
    expect(await outcomeOf(DENIES, ruleOfWeb())).toBe(FAILS)
    const nobody = { ...ALLOWS, as: null }
    expect(await outcomeOf(nobody, ruleOfWeb())).toBe(FAILS)
    expect(await outcomeOf({ ...nobody, expect: 'deny' }, ruleOfWeb())).toBe(PASSES)
    const other = { ...ALLOWS, as: 'spiffe://example.org/acme/api' }
    expect(await outcomeOf(other, ruleOfWeb())).toBe(FAILS)
  })

  test('fails whatever it expects where it names no route, or one without a rule', async () => {
    for (const one of [ALLOWS, DENIES]) {
      expect(await outcomeOf(one)).toBe(FAILS)
      expect(await outcomeOf(one, null)).toBe(FAILS)
    }
  })

  test('fails whatever it expects where the rule itself throws', async () => {
    for (const one of [ALLOWS, DENIES]) {
      expect(await outcomeOf(one, ruleOfWeb({ identify: fails }))).toBe(FAILS)
    }
  })

  test('is of each of the routes that it names', async () => {
    const refusing = ruleOfWeb({ identify: () => deny('denied') })
    expect(await outcomeOf(ALLOWS, ruleOfWeb(), ruleOfWeb())).toBe(PASSES)
    expect(await outcomeOf(ALLOWS, ruleOfWeb(), refusing)).toBe(FAILS)
    expect(await outcomeOf(DENIES, ruleOfWeb(), refusing)).toBe(FAILS)
    expect(await outcomeOf(ALLOWS, ruleOfWeb(), null)).toBe(FAILS)
  })

  test('is run with the others, and each must pass', async () => {
    expect(await outcomeOf([ALLOWS, ALLOWS], ruleOfWeb())).toBe(PASSES)
    expect(await outcomeOf([ALLOWS, DENIES], ruleOfWeb())).toBe(FAILS)
    expect(await outcomeOf([], ruleOfWeb())).toBe(PASSES)
  })

  test('is let in by a rule in shadow mode, save for those for whom it is enforced', async () => {
    const asked: unknown[] = []
    const rule = ruleOfWeb({
      identify: () => deny('denied'),
      isEnforcedFor: (id) => {
        asked.push(id)
        return id === null
      },
    })
    expect(await outcomeOf(ALLOWS, rule)).toBe(PASSES)
    expect(await outcomeOf({ ...DENIES, as: null }, rule)).toBe(PASSES)
    expect(asked).toEqual([SpiffeId.parse(WEB), null])
  })
})

describe('the attributes of a test', () => {
  const region = ruleOfWeb({ requirements: [requirementOf(null, sourceOf('headers.region'))] })
  const withRegion = (value: string): PolicyTest => ({
    ...ALLOWS,
    attributes: { 'headers.region': value },
  })

  test('are what conditions read', async () => {
    expect(await outcomeOf(withRegion('eu'), region)).toBe(PASSES)
    expect(await outcomeOf(withRegion('us'), region)).toBe(FAILS)
    expect(await outcomeOf(ALLOWS, region)).toBe(FAILS)
    expect(await outcomeOf(DENIES, region)).toBe(PASSES)
  })

  test('are what the tenant is compared by', async () => {
    const rule = ruleOfWeb({
      tenant: { source: sourceOf('params.tenant'), admits: (_id, named) => named === 'acme' },
    })
    const withTenant = (name: string): PolicyTest => ({
      ...ALLOWS,
      attributes: { 'params.tenant': name },
    })
    expect(await outcomeOf(withTenant('acme'), rule)).toBe(PASSES)
    expect(await outcomeOf(withTenant('globex'), rule)).toBe(FAILS)
    expect(await outcomeOf(ALLOWS, rule)).toBe(FAILS)
  })

  test('are read by one of the routes at least, or the test fails', async () => {
    expect(await outcomeOf(withRegion('eu'), ruleOfWeb())).toBe(FAILS)
    expect(await outcomeOf(withRegion('eu'), region, ruleOfWeb())).toBe(PASSES)
    const more = { ...ALLOWS, attributes: { 'headers.region': 'eu', 'headers.other': 'x' } }
    expect(await outcomeOf(more, region)).toBe(FAILS)
  })

  test.each([
    ['the method', [requirementOf(null, sourceOf('headers.region'), sourceOf('method'))], 'method'],
    [
      'what follows from the route',
      [requirementOf(null, sourceOf('headers.region'), sourceOf('route', false))],
      'route',
    ],
    [
      'what only an engine reads',
      [
        requirementOf(null, sourceOf('headers.region')),
        requirementOf('judge', sourceOf('params.id')),
      ],
      'params.id',
    ],
  ])('do not say: %s', async (_, requirements, name) => {
    const attributes = { 'headers.region': 'eu', [name]: 'x' }
    expect(await outcomeOf(withRegion('eu'), ruleOfWeb({ requirements }))).toBe(PASSES)
    expect(await outcomeOf({ ...ALLOWS, attributes }, ruleOfWeb({ requirements }))).toBe(FAILS)
  })

  test('leave the method that of the route', async () => {
    const isGet: Requirement = {
      ...requirementOf(null, sourceOf('method')),
      ask: (call, caller, read) =>
        read(sourceOf('method'), call, caller) === 'GET'
          ? allow('allowed')
          : deny('condition-false'),
    }
    expect(await outcomeOf(ALLOWS, ruleOfWeb({ requirements: [isGet] }))).toBe(PASSES)
  })

  test('leave what follows from the route as it is', async () => {
    const isOfRoute: Requirement = {
      ...requirementOf(null),
      ask: (call, caller, read) =>
        read(sourceOf('route', false), call, caller) === 'of the route'
          ? allow('allowed')
          : deny('condition-false'),
    }
    expect(await outcomeOf(ALLOWS, ruleOfWeb({ requirements: [isOfRoute] }))).toBe(PASSES)
  })
})

test('engines are not asked: they are assumed to allow', async () => {
  const engine = { ...requirementOf('judge'), ask: fails }
  expect(await outcomeOf(ALLOWS, ruleOfWeb({ requirements: [engine] }))).toBe(PASSES)
})
