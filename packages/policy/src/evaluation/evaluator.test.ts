// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import type { Caller } from '../call.ts'
import { allow, type Decision, deny } from '../decision/decision.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { Requirement } from '../rules/requirement.ts'
import type { RouteTenant } from '../rules/route-tenant.ts'
import { type EvaluationMethod, type EvaluationObserver, Evaluator } from './evaluator.ts'
import { ruleOf } from './rule.test.helper.ts'

type Outcome = Decision | Promise<Decision>

const CALL = {}
const CALLER: Caller = {
  spiffeId: SpiffeId.parse('spiffe://example.org/acme/web'),
  serialNumber: '1',
  fingerprint256: 'AA',
  notAfter: Infinity,
}
const ALLOWED = allow('allowed')
const STALE = allow('stale', true)
const OLDER_STALE = allow('stale', true)
const DENIED = deny('condition-false')
const FAULT = new Error('broken')

function fails(): never {
  throw FAULT
}

/** Everything that an evaluation asks for, in its order. */
class Trace {
  readonly steps: string[] = []
  readonly observer: EvaluationObserver = {
    onTenant: (isOwn) => void this.steps.push(`own tenant: ${isOwn}`),
    onBehalf: (refusal) => void this.steps.push(`behalf: ${refusal?.reason ?? 'ok'}`),
    onRequirement: (position, { reason }) => void this.steps.push(`${position}: ${reason}`),
  }

  note<T>(step: string, result: T): T {
    this.steps.push(step)
    return result
  }

  method(more: Partial<EvaluationMethod> = {}): EvaluationMethod {
    return {
      isUnmatched: () => false,
      chain: () => null,
      read: () => this.note('read', 'acme'),
      decide: null,
      ...more,
    }
  }

  rule(more: Partial<CompiledRule> = {}): CompiledRule {
    return ruleOf({
      identify: (id) => this.note('identify', id === null ? deny('no-identity') : ALLOWED),
      ...more,
    })
  }

  tenant(admits: RouteTenant['admits']): RouteTenant {
    const source = {
      name: 'params.tenant',
      read: () => undefined,
      refusal: DENIED,
      varies: true,
      provider: null,
    }
    return {
      source,
      admits: (id, named) => this.note(`tenant ${JSON.stringify(named)}`, admits(id, named)),
    }
  }

  /** One that comes to `outcome`. */
  requirement(outcome: () => Outcome): Requirement {
    return {
      engine: null,
      text: null,
      sources: [],
      providers: [],
      maxAgeMs: 0,
      decide: () => this.note('decide', outcome()),
      ask: () => this.note('ask', DENIED),
    }
  }

  decide(
    rule: CompiledRule | null,
    more: Partial<EvaluationMethod> = {},
    caller: Caller | null = CALLER,
  ): Outcome {
    return new Evaluator(this.method(more)).decide(CALL, caller, rule, this.observer)
  }
}

/** The same outcome at once and later. */
const TIMES = [
  ['at once', (decision: Decision): Outcome => decision],
  ['later', (decision: Decision): Outcome => Promise.resolve(decision)],
] as const

describe('a call without a rule', () => {
  test.each([
    [true, 'not-found'],
    [false, 'no-rule'],
  ])('is refused by what it matches, whoever calls; unmatched: %p', (isUnmatched, reason) => {
    const trace = new Trace()
    const decision = trace.decide(null, { isUnmatched: () => isUnmatched })
    expect(decision).toEqual(deny(reason as 'no-rule'))
    expect(trace.steps).toEqual([])
  })
})

describe('the order of an evaluation', () => {
  test('is tenant, identity, requirements, and all of it is observed', () => {
    const trace = new Trace()
    const requirements = [trace.requirement(() => ALLOWED), trace.requirement(() => ALLOWED)]
    const rule = trace.rule({ tenant: trace.tenant(() => true), requirements })
    expect(trace.decide(rule)).toBe(ALLOWED)
    expect(trace.steps).toEqual([
      'read',
      'tenant "acme"',
      'own tenant: true',
      'identify',
      'decide',
      '0: allowed',
      'decide',
      '1: allowed',
    ])
  })

  test('ends with another tenant, before the caller is looked for in lists', () => {
    const trace = new Trace()
    const requirements = [trace.requirement(() => ALLOWED)]
    const rule = trace.rule({ tenant: trace.tenant(() => false), requirements })
    expect(trace.decide(rule)).toEqual(deny('tenant-mismatch'))
    expect(trace.steps).toEqual(['read', 'tenant "acme"', 'own tenant: false'])
  })

  test('ends with a caller without identity, whose tenant is not read', () => {
    const trace = new Trace()
    const rule = trace.rule({
      tenant: trace.tenant(() => true),
      requirements: [trace.requirement(() => ALLOWED)],
    })
    expect(trace.decide(rule, {}, null)).toEqual(deny('no-identity'))
    expect(trace.steps).toEqual(['identify'])
  })

  test('ends with an identity that is refused', () => {
    const trace = new Trace()
    const requirements = [trace.requirement(() => ALLOWED)]
    const refusal = deny('not-allowed')
    expect(trace.decide(trace.rule({ identify: () => refusal, requirements }))).toBe(refusal)
    expect(trace.steps).toEqual([])
  })

  test.each([null, deny('origin-not-allowed')])(
    'looks, after the identity, at on whose behalf the call is made: %p',
    (refusal) => {
      const chain = {
        origin: CALLER.spiffeId,
        via: [],
        evidence: 'signed',
        validUntil: Infinity,
      } as const
      const asked: unknown[] = []
      const trace = new Trace()
      const rule = trace.rule({
        behalf: (...about) => {
          asked.push(...about)
          return trace.note('behalf', refusal)
        },
        requirements: [trace.requirement(() => ALLOWED)],
      })
      expect(trace.decide(rule, { chain: () => chain })).toBe(refusal ?? ALLOWED)
      expect(asked).toEqual([CALLER.spiffeId, chain])
      const after =
        refusal === null ? ['behalf: ok', 'decide', '0: allowed'] : [`behalf: ${refusal.reason}`]
      expect(trace.steps).toEqual(['identify', 'behalf', ...after])
      const unobserved = new Evaluator(trace.method({ chain: () => chain }))
      expect(unobserved.decide(CALL, CALLER, rule)).toBe(refusal ?? ALLOWED)
    },
  )

  test.each(TIMES)('ends with the first requirement that refuses, %s', async (_, at) => {
    for (const refusing of [0, 1, 2]) {
      const trace = new Trace()
      const requirements = [0, 1, 2].map((position) =>
        trace.requirement(() => at(position === refusing ? DENIED : ALLOWED)),
      )
      expect(await trace.decide(trace.rule({ requirements }))).toBe(DENIED)
      const seen = trace.steps.filter((step) => /^\d/.test(step))
      const before = Array.from({ length: refusing }, (_none, position) => `${position}: allowed`)
      expect(seen).toEqual([...before, `${refusing}: condition-false`])
      expect(trace.steps.filter((step) => step === 'decide')).toHaveLength(refusing + 1)
    }
  })

  test('is the same without an observer', async () => {
    for (const [, at] of TIMES) {
      const trace = new Trace()
      const rule = trace.rule({
        tenant: trace.tenant(() => true),
        requirements: [trace.requirement(() => at(ALLOWED)), trace.requirement(() => at(DENIED))],
      })
      expect(await new Evaluator(trace.method()).decide(CALL, CALLER, rule)).toBe(DENIED)
    }
  })

  test('hands the identity and the value that was read to the comparison of tenants', () => {
    const trace = new Trace()
    const told: unknown[] = []
    const tenant = trace.tenant((id, named) => {
      told.push(id, named)
      return true
    })
    void trace.decide(trace.rule({ tenant }), { read: () => null })
    expect(told).toEqual([CALLER.spiffeId, null])
  })
})

describe('a method of its own', () => {
  test('decides in place of the requirement', async () => {
    for (const [, at] of TIMES) {
      const trace = new Trace()
      const requirement = trace.requirement(() => ALLOWED)
      const told: unknown[] = []
      const decide = (...parts: unknown[]): Outcome => {
        told.push(...parts)
        return at(DENIED)
      }
      expect(await trace.decide(trace.rule({ requirements: [requirement] }), { decide })).toBe(
        DENIED,
      )
      expect(told).toEqual([requirement, CALL, CALLER])
      expect(trace.steps).toEqual(['identify', '0: condition-false'])
    }
  })
})

describe('a stale allow', () => {
  test.each<[string, Decision[], Decision]>([
    ['is visible behind an allow', [STALE, ALLOWED], STALE],
    ['is visible behind several', [STALE, ALLOWED, ALLOWED], STALE],
    ['is visible at the end', [ALLOWED, STALE], STALE],
    ['is visible before another one', [STALE, OLDER_STALE], STALE],
    ['yields to a refusal', [STALE, DENIED], DENIED],
    ['yields to a refusal later on', [STALE, ALLOWED, DENIED], DENIED],
  ])('%s', async (_, decisions, expected) => {
    for (const [, first] of TIMES) {
      for (const [, others] of TIMES) {
        const trace = new Trace()
        const requirements = decisions.map((decision, position) =>
          trace.requirement(() => (position === 0 ? first : others)(decision)),
        )
        // oxlint-disable-next-line no-await-in-loop -- one after the other
        expect(await trace.decide(trace.rule({ requirements }))).toBe(expected)
      }
    }
  })
})

describe('whatever throws', () => {
  const rejects = (): Promise<never> => Promise.reject(FAULT)
  const later = (): Promise<Decision> => Promise.resolve(ALLOWED)

  test.each<[string, (trace: Trace) => Partial<CompiledRule>, Partial<EvaluationMethod>]>([
    ['the attribute of the tenant', (it) => ({ tenant: it.tenant(() => true) }), { read: fails }],
    ['the comparison of tenants', (it) => ({ tenant: it.tenant(fails) }), {}],
    ['a list of callers', () => ({ identify: fails }), {}],
    ['a requirement', (it) => ({ requirements: [it.requirement(fails)] }), {}],
    ['a requirement that rejects', (it) => ({ requirements: [it.requirement(rejects)] }), {}],
    [
      'a requirement after one that was awaited',
      (it) => ({ requirements: [it.requirement(later), it.requirement(fails)] }),
      {},
    ],
    [
      'a requirement that rejects after another',
      (it) => ({ requirements: [it.requirement(() => ALLOWED), it.requirement(rejects)] }),
      {},
    ],
    ['a method', (it) => ({ requirements: [it.requirement(later)] }), { decide: fails }],
    [
      'a method that rejects',
      (it) => ({ requirements: [it.requirement(later)] }),
      { decide: rejects },
    ],
  ])('refuses, with the error: %s', async (_, parts, more) => {
    const trace = new Trace()
    const decision = await trace.decide(trace.rule(parts(trace)), more)
    expect(decision).toEqual({ ...deny('rule-failed'), error: FAULT })
  })

  test('refuses a caller without identity too', () => {
    const trace = new Trace()
    const decision = trace.decide(trace.rule({ identify: fails }), {}, null)
    expect(decision).toEqual({ ...deny('rule-failed'), error: FAULT })
  })

  test('is awaited only where something is', () => {
    const trace = new Trace()
    const at = (decision: () => Outcome): Outcome =>
      trace.decide(trace.rule({ requirements: [trace.requirement(decision)] }))
    expect(at(fails)).not.toBeInstanceOf(Promise)
    expect(at(() => ALLOWED)).not.toBeInstanceOf(Promise)
    expect(at(later)).toBeInstanceOf(Promise)
  })
})
