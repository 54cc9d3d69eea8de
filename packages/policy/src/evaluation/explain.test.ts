// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { type SpiffeIdMatcher, SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import type { AttributeResolver } from '../attributes/resolver.ts'
import type { AttributeSource } from '../attributes/sources.ts'
import type { Caller, CallReader } from '../call.ts'
import { allow, type Decision, deny, type Refusal } from '../decision/decision.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { Requirement } from '../rules/requirement.ts'
import type { RuledRoute, RuleTable } from '../rules/rule-table.ts'
import { explainCall, explainRequest } from './explain.ts'
import type { Explanation, ExplainRequest } from './explanation.ts'
import { PLACE, ruleOf } from './rule.test.helper.ts'

const WEB = 'spiffe://example.org/acme/web'
const CALLER: Caller = {
  spiffeId: SpiffeId.parse(WEB),
  serialNumber: '1',
  fingerprint256: 'AA',
  notAfter: 5000,
}
const ACTIVE = { version: 'v1', rules: [], notFound: null }

function fails(): never {
  throw new Error('broken')
}

const sourceOf = (name: string, varies = true): AttributeSource => ({
  name,
  varies,
  read: () => 'read from the call',
  refusal: deny('ambiguous-attribute'),
  provider: null,
})

/** A condition that reads one attribute, and is no business of cache and quota. */
const requirementOf = (ask: Requirement['ask'], source = sourceOf('headers.x')): Requirement => ({
  engine: null,
  text: null,
  sources: [source],
  providers: [],
  maxAgeMs: 0,
  decide: fails,
  ask,
})

/** Explains a request to routes with these rules, that is thought up. */
function imagined(
  rules: (CompiledRule | null)[],
  more: Partial<ExplainRequest> = {},
): Promise<Explanation> {
  const routes: RuledRoute[] = rules.map((rule) => ({ method: 'GET', url: '/', rule }))
  const find = (...values: unknown[]): RuledRoute[] => {
    expect(values).toEqual(['GET', '/', ACTIVE])
    return routes
  }
  const table = { active: ACTIVE, find } as unknown as RuleTable
  return explainRequest(table, { method: 'GET', route: '/', spiffeId: WEB, ...more })
}

/** Explains a call that has arrived. */
function arrived(
  rule: CompiledRule | null,
  caller: Caller | null = CALLER,
  refusal: Refusal | null = null,
): Promise<Explanation> {
  const call = {}
  return explainCall(
    {
      reader: { caller: () => caller, route: () => null } as unknown as CallReader,
      table: { active: ACTIVE } as unknown as RuleTable,
      finder: {
        ruleOf: (...values: unknown[]) => {
          expect(values).toEqual([call, ACTIVE])
          return rule
        },
      },
      resolver: { resolve: async () => refusal } as unknown as AttributeResolver,
    },
    call,
  )
}

const NO_RULE = {
  decision: 'deny',
  mode: 'enforce',
  policyVersion: 'v1',
  chain: null,
  source: null,
  findings: [],
}

describe('an explanation', () => {
  test('says the decision, its reason, the rules and where the rule is', async () => {
    const expected = {
      decision: 'allow',
      reason: 'allowed',
      policyVersion: 'v1',
      mode: 'enforce',
      chain: null,
      source: PLACE.toString(),
      findings: [],
    }
    expect(await imagined([ruleOf()])).toEqual(expected)
    expect(await arrived(ruleOf())).toEqual(expected)
  })

  test('says so where there is no rule', async () => {
    expect(await imagined([])).toEqual({ ...NO_RULE, reason: 'no-rule' })
    expect(await imagined([null])).toEqual({ ...NO_RULE, reason: 'no-rule' })
    expect(await arrived(null)).toEqual({ ...NO_RULE, reason: 'not-found' })
  })

  test('is that of a caller without identity too', async () => {
    const expected = { decision: 'deny', reason: 'no-identity' }
    expect(await imagined([ruleOf()], { spiffeId: null })).toMatchObject(expected)
    expect(await arrived(ruleOf(), null)).toMatchObject(expected)
  })

  test('says for whom the rule is not enforced', async () => {
    const rule = ruleOf({ isEnforcedFor: (id) => id === null, identify: () => deny('denied') })
    const shadow = { decision: 'deny', mode: 'shadow' }
    const enforced = { decision: 'deny', mode: 'enforce' }
    expect(await imagined([rule])).toMatchObject(shadow)
    expect(await arrived(rule)).toMatchObject(shadow)
    expect(await imagined([rule], { spiffeId: null })).toMatchObject(enforced)
    expect(await arrived(rule, null)).toMatchObject(enforced)
  })

  test('has no findings where the rule throws, as it may when it is looked at', async () => {
    const failed = { decision: 'deny', reason: 'rule-failed', findings: [] }
    const thrown = ruleOf({ requirements: [requirementOf(fails)] })
    const matcher = { matches: fails, toString: () => 'broken' } as unknown as SpiffeIdMatcher
    const entries = { matcher, others: [matcher], entries: [matcher] }
    const unreadable = ruleOf({}, { grant: entries })
    for (const rule of [thrown, unreadable]) {
      expect(await imagined([rule])).toMatchObject(failed)
      expect(await arrived(rule)).toMatchObject(failed)
    }
  })

  test('takes what is undefined for what is not said', async () => {
    const nothing = { proof: undefined, subjectAltName: undefined, chain: undefined }
    const about = { ...nothing, attributes: undefined } as unknown as Partial<ExplainRequest>
    expect(await imagined([ruleOf()], about)).toEqual(await imagined([ruleOf()]))
  })

  test('of a request that several routes could be for is refused', async () => {
    await expect(imagined([ruleOf(), ruleOf()])).rejects.toMatchObject({ code: 'ambiguous-route' })
  })
})

describe('the attributes of a request that is thought up', () => {
  /** What a condition reads of an attribute, and who it is told calls. */
  async function read(source: AttributeSource, attributes?: ExplainRequest['attributes']) {
    const found: unknown[] = []
    const ask: Requirement['ask'] = (call, caller, readAttribute) => {
      found.push(readAttribute(source, call, caller), caller)
      return allow('allowed')
    }
    await imagined([ruleOf({ requirements: [requirementOf(ask, source)] })], {
      ...(attributes && { attributes }),
    })
    return found
  }

  test('are those that are given, and the method', async () => {
    const given = { 'headers.x': 'eu', method: 'PUT' }
    expect((await read(sourceOf('headers.x'), given))[0]).toBe('eu')
    expect((await read(sourceOf('method'), given))[0]).toBe('GET')
  })

  test('are absent where they are not given, whatever their names', async () => {
    for (const name of ['headers.x', 'toString', '__proto__']) {
      expect((await read(sourceOf(name), {}))[0]).toBeUndefined()
      expect((await read(sourceOf(name)))[0]).toBeUndefined()
    }
  })

  test('are those of the route where the request does not decide', async () => {
    expect((await read(sourceOf('route', false), { route: 'x' }))[0]).toBe('read from the call')
  })

  test('are not those that follow from the proof of the caller', async () => {
    const source = { ...sourceOf('headers.x'), ofCaller: true } as const
    expect((await read(source, { 'headers.x': 'eu' }))[0]).toBe('read from the call')
  })

  test('are asked about for a caller of whom only the identity is known', async () => {
    const { spiffeId } = CALLER
    expect((await read(sourceOf('headers.x')))[1]).toMatchObject({
      spiffeId,
      serialNumber: '',
      fingerprint256: '',
      notAfter: Infinity,
      subjectAltNames: { dns: [], ip: [], uri: [WEB] },
    })
  })
})

describe('the attributes of a call that has arrived', () => {
  test('are read from it, and each condition is asked anew, past the cache', async () => {
    const source = sourceOf('headers.x')
    const ask: Requirement['ask'] = (call, caller, read): Decision =>
      read(source, call, caller) === 'read from the call' && caller === CALLER
        ? allow('allowed')
        : deny('condition-false')
    expect(await arrived(ruleOf({ requirements: [requirementOf(ask, source)] }))).toMatchObject({
      decision: 'allow',
      findings: [{ check: 'where[0]', outcome: 'holds' }],
    })
  })

  test('are refused where their provider refuses them', async () => {
    const rule = ruleOf({ requirements: [requirementOf(fails)] })
    expect(await arrived(rule, CALLER, deny('attribute-refused'))).toMatchObject({
      decision: 'deny',
      reason: 'attribute-refused',
      findings: [{ outcome: 'does-not-hold', reason: 'attribute-refused' }],
    })
  })
})
