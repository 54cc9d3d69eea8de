// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import type { AttributeValue } from '../attributes/attributes.ts'
import type { AttributeProvider } from '../attributes/provider.ts'
import type { AttributeResolver } from '../attributes/resolver.ts'
import type { AttributeSource } from '../attributes/sources.ts'
import type { AdaptiveBypass } from '../cache/adaptive-bypass.ts'
import { DecisionCache } from '../cache/decision-cache.ts'
import type { Caller, CallReader } from '../call.ts'
import { callerAsSubject } from '../principals/behalf.ts'
import { type Decision, deny, type Refusal } from '../decision/decision.ts'
import { engineOutcomes } from '../decision/outcomes.ts'
import { TenantQuotas } from '../principals/quota.ts'
import { compose, type RequirementParts } from './compose.ts'
import type { RequirementQuery } from './requirement.ts'

const outcomes = engineOutcomes('judge')
const { allowed: YES, refused: NO } = outcomes
const FAILED = outcomes.failed(new Error('gone'))
const AMBIGUOUS = deny('ambiguous-attribute')
const PROVIDER: AttributeProvider = { group: 'device', provide: () => ({ get: () => undefined }) }

type Call = Readonly<Record<string, AttributeValue | null>>

function callerOf(path: string, notAfter = 1_000_000): Caller {
  const spiffeId = SpiffeId.parse(`spiffe://example.org${path}`)
  return { spiffeId, serialNumber: '1', fingerprint256: 'AA', notAfter }
}
const WEB = callerOf('/acme/web')

const sourceOf = (name: string, varies = true): AttributeSource => ({
  name,
  varies,
  read: (call) => (call as Call)[name],
  refusal: AMBIGUOUS,
  provider: null,
})

interface Setting {
  readonly answer: () => Decision | Promise<Decision>
  readonly maxEvaluationsPerSecond: number
  /** What asking the providers comes to. */
  readonly resolved: () => Refusal | null
  readonly notAfterOfProviders: number
}

/** A requirement that reads the attribute `a`, and what was asked of it. Its clocks stand until the test moves them. */
function composed(parts: Partial<RequirementParts> = {}, setting: Partial<Setting> = {}) {
  const { answer = () => YES, maxEvaluationsPerSecond = Infinity } = setting
  const { resolved = () => null, notAfterOfProviders = Infinity } = setting
  const time = { now: 0 }
  const asked: RequirementQuery[] = []
  const resolutions: unknown[][] = []
  const cache = new DecisionCache({
    maxTenants: 10,
    maxDecisionsPerTenant: 100,
    allowTtlMs: 30_000,
    denyTtlMs: 2000,
    policyVersion: () => 0,
    clock: () => time.now,
    random: () => 0.5,
  })
  const resolver = {
    resolve: async (...values: unknown[]) => {
      resolutions.push(values)
      return resolved()
    },
    notAfter: () => notAfterOfProviders,
  } as unknown as AttributeResolver
  const requirement = compose(
    {
      index: 0,
      policyVersion: null,
      sources: [sourceOf('a')],
      varies: true,
      engine: 'judge',
      text: null,
      providers: [],
      outcomes,
      maxAgeMs: Infinity,
      bypass: null,
      stale: null,
      isMetered: true,
      ask: (query) => {
        asked.push(query)
        return answer()
      },
      ...parts,
    },
    {
      resolver,
      cache,
      quotas: new TenantQuotas({
        maxInFlight: Infinity,
        maxEvaluationsPerSecond,
        maxTenants: 10,
        clock: () => 0,
      }),
      tenantSubject: callerAsSubject,
      // Asked only where something of a chain is read.
      reader: {} as unknown as CallReader,
      tenantKeyOf: ({ trustDomain, path }) => `${trustDomain.name}/${path.split('/')[1]}`,
    },
  )
  const decide = (call: Call = { a: 'x' }, caller = WEB): Decision | Promise<Decision> =>
    requirement.decide(call, caller)
  return { requirement, decide, asked, time, cache, resolutions }
}

test('a requirement says what it is composed of', () => {
  const sources = [sourceOf('a'), sourceOf('b')]
  const parts = { engine: 'judge', text: 'text', sources, providers: [PROVIDER], maxAgeMs: 7 }
  expect(composed(parts).requirement).toMatchObject(parts)
})

describe('a requirement that is cached', () => {
  test('is asked once for the same question, with the tenant, the caller and the values', () => {
    const { decide, asked } = composed({ sources: [sourceOf('a'), sourceOf('b')] })
    expect(decide({ a: 'x', b: undefined })).toBe(YES)
    expect(decide({ a: 'x', b: undefined })).toBe(outcomes.allowedCached)
    expect(asked).toMatchObject([
      { tenant: 'example.org/acme', subject: WEB.spiffeId, caller: WEB, values: ['x', undefined] },
    ])
  })

  test('is asked again for another value, another caller, and another tenant', () => {
    const { decide, asked } = composed()
    const callers = ['/acme/web', '/acme/api', '/globex/web'].map((path) => callerOf(path))
    for (let round = 0; round < 2; round++) {
      for (const caller of callers) for (const a of ['x', 'y']) void decide({ a }, caller)
    }
    const questions = asked.map(
      ({ caller, values }) => `${caller.spiffeId.toString()} ${JSON.stringify(values)}`,
    )
    expect([questions.length, new Set(questions).size]).toEqual([6, 6])
  })

  test('is asked again under another version of policies', () => {
    let version = 'v1'
    const { decide, asked } = composed({ policyVersion: () => version })
    void decide()
    version = 'v2'
    void decide()
    expect(asked).toHaveLength(2)
  })

  test('is not asked when an attribute has no single value', () => {
    const { decide, asked, cache } = composed()
    expect(decide({ a: null })).toBe(AMBIGUOUS)
    expect(asked).toEqual([])
    expect(cache.stats()).toMatchObject({ misses: 0 })
  })

  test('is asked again from maxAgeMs on', () => {
    const { decide, asked, time } = composed({ maxAgeMs: 100 })
    void decide()
    time.now = 99
    void decide()
    expect(asked).toHaveLength(1)
    time.now = 100
    void decide()
    expect(asked).toHaveLength(2)
  })

  test('is asked again from the end of the SVID on', () => {
    const { decide, asked, time } = composed()
    const caller = callerOf('/acme/web', 100)
    void decide({ a: 'x' }, caller)
    time.now = 99
    void decide({ a: 'x' }, caller)
    expect(asked).toHaveLength(1)
    time.now = 100
    void decide({ a: 'x' }, caller)
    expect(asked).toHaveLength(2)
  })

  test.each([
    [100, 500],
    [500, 100],
  ])('is asked again from the first end on: SVID %d, attributes %d', async (svid, attributes) => {
    const setting = { notAfterOfProviders: attributes }
    const { decide, asked, time } = composed({ providers: [PROVIDER] }, setting)
    const caller = callerOf('/acme/web', svid)
    await decide({ a: 'x' }, caller)
    time.now = 99
    await decide({ a: 'x' }, caller)
    expect(asked).toHaveLength(1)
    time.now = 100
    await decide({ a: 'x' }, caller)
    expect(asked).toHaveLength(2)
  })

  test('uses its last answer for one that fails, where it may', () => {
    for (const [stale, expected] of [
      [{ ms: 1000, allowed: outcomes.allowedStale, refused: outcomes.refusedStale }, 'stale'],
      [null, 'engine-failed'],
    ] as const) {
      let answer: Decision = YES
      const { decide, time } = composed({ stale }, { answer: () => answer })
      void decide()
      answer = FAILED
      time.now = 30_500
      expect(decide()).toMatchObject({ reason: expected })
    }
  })
})

describe('a requirement that is not cached', () => {
  test('is asked each time, with the tenant, the caller and the values', () => {
    const { decide, asked, cache } = composed({ maxAgeMs: 0 })
    expect([decide(), decide()]).toEqual([YES, YES])
    const query = { tenant: 'example.org/acme', subject: WEB.spiffeId, caller: WEB, values: ['x'] }
    expect(asked).toEqual([query, query])
    expect(cache.stats()).toMatchObject({ tenants: 0, hits: 0, misses: 0 })
  })

  test('is not asked when an attribute has no single value', () => {
    const { decide, asked } = composed({ maxAgeMs: 0 })
    expect(decide({ a: null })).toBe(AMBIGUOUS)
    expect(asked).toEqual([])
  })

  test('is asked again when an invalidation overtakes it', async () => {
    const answers: ((decision: Decision) => void)[] = []
    const answer = (): Promise<Decision> => new Promise((resolve) => answers.push(resolve))
    const { decide, cache } = composed({ maxAgeMs: 0 }, { answer })
    const decision = decide()
    cache.invalidate('example.org/acme')
    answers[0]?.(YES)
    await new Promise((resolve) => void setImmediate(resolve))
    answers[1]?.(NO)
    expect(await decision).toBe(NO)
  })
})

describe('the quota of a tenant', () => {
  const setting = { maxEvaluationsPerSecond: 2 }
  const reasons = (decisions: (Decision | Promise<Decision>)[]): unknown[] =>
    decisions.map((decision) => (decision instanceof Promise ? decision : decision.reason))

  test('counts what is evaluated, and nothing that the cache answers', () => {
    const { decide } = composed({}, setting)
    const values = ['x', 'x', 'x', 'y', 'x', 'z', 'y']
    expect(reasons(values.map((a) => decide({ a })))).toEqual([
      ...Array.from({ length: 5 }, () => 'allowed'),
      'tenant-quota',
      'allowed',
    ])
    expect(decide({ a: 'z' }, callerOf('/globex/web'))).toBe(YES)
  })

  test('counts what is metered though it is not cached', () => {
    const { decide } = composed({ maxAgeMs: 0 }, setting)
    expect(reasons([decide(), decide(), decide()])).toEqual(['allowed', 'allowed', 'tenant-quota'])
  })

  test('counts a condition that is cached', () => {
    const { decide } = composed({ isMetered: false }, setting)
    const decisions = ['x', 'y', 'z'].map((a) => decide({ a }))
    expect(reasons(decisions)).toEqual(['allowed', 'allowed', 'tenant-quota'])
  })

  test('does not count a condition that is not', () => {
    const { decide } = composed({ maxAgeMs: 0, isMetered: false }, setting)
    expect(reasons([decide(), decide(), decide()])).toEqual(['allowed', 'allowed', 'allowed'])
  })
})

describe('providers of attributes', () => {
  test('are asked first, about the call, each time', async () => {
    const { decide, asked, resolutions } = composed({ providers: [PROVIDER] })
    const call = { a: 'x' }
    expect(await decide(call)).toBe(YES)
    expect(await decide(call)).toBe(outcomes.allowedCached)
    expect(asked).toHaveLength(1)
    expect(resolutions).toEqual([
      [[PROVIDER], call, WEB],
      [[PROVIDER], call, WEB],
    ])
  })

  test('refuse what they refuse, whatever is cached', async () => {
    let refusal: Refusal | null = null
    const { decide, asked } = composed({ providers: [PROVIDER] }, { resolved: () => refusal })
    await decide()
    refusal = deny('attribute-refused')
    expect(await decide()).toBe(refusal)
    expect(asked).toHaveLength(1)
  })

  test('are not asked where there are none', () => {
    const { decide, resolutions } = composed()
    expect(decide()).toBe(YES)
    expect(resolutions).toEqual([])
  })
})

describe('a tenant for whom the cache does not pay', () => {
  /** A bypass that is told, and says what the test says. */
  function bypassed(answer: () => Decision | Promise<Decision> = () => YES) {
    const said = { isBypassed: false }
    const noted: unknown[][] = []
    const bypass = {
      isBypassed: (tenant: string) => said.isBypassed && tenant === 'example.org/acme',
      note: (...values: unknown[]) => void noted.push(values),
    } as unknown as AdaptiveBypass
    return { ...composed({ bypass }, { answer }), said, noted }
  }

  test('is told apart by whether answers come from the cache', () => {
    const { decide, noted } = bypassed()
    void decide()
    void decide()
    void decide({ a: 'x' }, callerOf('/globex/web'))
    expect(noted).toEqual([
      ['example.org/acme', false],
      ['example.org/acme', true],
      ['example.org/globex', false],
    ])
  })

  test('is told apart by no answer that is awaited', async () => {
    const { decide, noted } = bypassed(async () => YES)
    expect(await decide()).toBe(YES)
    expect(noted).toEqual([])
  })

  test('goes past the cache for as long as that is so, and others do not', () => {
    const { decide, asked, said, noted } = bypassed()
    const other = callerOf('/globex/web')
    void decide()
    void decide({ a: 'x' }, other)
    said.isBypassed = true
    expect([decide(), decide()]).toEqual([YES, YES])
    expect(decide({ a: 'x' }, other)).toBe(outcomes.allowedCached)
    expect(asked).toHaveLength(4)
    expect(noted).toHaveLength(3)
    said.isBypassed = false
    expect(decide()).toBe(outcomes.allowedCached)
  })
})

describe('a question past cache, quota and providers', () => {
  test('is about the attributes that are given, and each is asked anew', () => {
    const { requirement, asked, resolutions } = composed(
      { providers: [PROVIDER] },
      { maxEvaluationsPerSecond: 1 },
    )
    const call = {}
    const read = (source: AttributeSource, ...others: unknown[]): string => {
      expect(others).toEqual([call, WEB])
      return `given ${source.name}`
    }
    for (let times = 0; times < 3; times++) expect(requirement.ask(call, WEB, read)).toBe(YES)
    const query = {
      tenant: 'example.org/acme',
      subject: WEB.spiffeId,
      caller: WEB,
      values: ['given a'],
    }
    expect(asked).toEqual([query, query, query])
    expect(resolutions).toEqual([])
  })

  test('is refused when an attribute has no single value', () => {
    const { requirement, asked } = composed()
    expect(requirement.ask({}, WEB, () => null)).toBe(AMBIGUOUS)
    expect(asked).toEqual([])
  })
})
