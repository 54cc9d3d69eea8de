import { describe, expect, test } from '@jest/globals'
import { type Decision, deny } from '../decision/decision.ts'
import { conditionOutcomes, engineOutcomes } from '../decision/outcomes.ts'
import { tenantKey } from '../principals/tenant.ts'
import { DecisionCache, type DecisionCacheOptions } from './decision-cache.ts'
import type { CachedCheck, CacheQuery } from './query.ts'

const { allowed: YES, refused: NO } = conditionOutcomes
const ACME = tenantKey('example.org', 'acme')
const GLOBEX = tenantKey('example.org', 'globex')
const FOREVER = Number.MAX_SAFE_INTEGER

/** A cache whose clock stands until the test moves it, and whose TTLs have no jitter. */
function cacheAt(now: number, options: Partial<DecisionCacheOptions> = {}) {
  const time = { now }
  const cache = new DecisionCache({
    maxTenants: 100,
    maxDecisionsPerTenant: 100,
    allowTtlMs: 30_000,
    denyTtlMs: 2000,
    policyVersion: () => 0,
    clock: () => time.now,
    random: () => 0.5,
    ...options,
  })
  return { cache, time }
}

/** What is asked, and what it is asked of, in one. */
type Question = CacheQuery & CachedCheck<CacheQuery>

/** A question, and how often the check was asked. */
function counted(answer: () => Decision | Promise<Decision>, question: Partial<Question> = {}) {
  const asked = { times: 0 }
  const evaluate = (): Decision | Promise<Decision> => {
    asked.times++
    return answer()
  }
  const preset = {
    tenant: ACME,
    identity: 'spiffe://example.org/acme/web',
    key: 'k',
    notAfter: FOREVER,
    maxAgeMs: Infinity,
    stale: null,
    outcomes: conditionOutcomes,
  }
  return { question: { ...preset, ...question, evaluate }, asked }
}

const decideOf = (cache: DecisionCache, question: Question): Decision | Promise<Decision> =>
  cache.decide(question, question)

const decideAfreshOf = (cache: DecisionCache, question: Question): Decision | Promise<Decision> =>
  cache.decideAfresh(question, question)

/** Asks what can be answered at once. */
function ask(cache: DecisionCache, question: Question): Decision {
  const decision = cache.decide(question, question)
  if (decision instanceof Promise) throw new Error('the answer is a promise')
  return decision
}

/** A check that answers when the test says so, once for each call. */
function pending() {
  const calls: ((decision: Decision) => void)[] = []
  const evaluate = (): Promise<Decision> => new Promise((resolve) => calls.push(resolve))
  return { calls, evaluate }
}

/** The second call of a repeated check is made some microtasks after the first answered. */
async function untilCalled(calls: readonly unknown[], times: number): Promise<void> {
  for (let turn = 0; calls.length < times; turn++) {
    if (turn > 100) throw new Error(`called ${calls.length} times instead of ${times}`)
    await Promise.resolve()
  }
}

describe('how long a decision lives', () => {
  test('an allow for allowTtlMs, to the millisecond', () => {
    const { cache, time } = cacheAt(1000)
    const { question, asked } = counted(() => YES)
    ask(cache, question)
    time.now = 1000 + 29_999
    expect(ask(cache, question)).toMatchObject({ allowed: true, cached: true })
    time.now = 1000 + 30_000
    expect(ask(cache, question)).toMatchObject({ allowed: true, cached: false })
    expect(asked.times).toBe(2)
  })

  test('being asked for does not lengthen it', () => {
    const { cache, time } = cacheAt(0)
    const { question, asked } = counted(() => YES)
    for (time.now = 0; time.now < 30_000; time.now += 1000) ask(cache, question)
    expect(asked.times).toBe(1)
    ask(cache, question)
    expect(asked.times).toBe(2)
  })

  test('a deny for denyTtlMs', () => {
    const { cache, time } = cacheAt(0)
    const { question, asked } = counted(() => NO)
    ask(cache, question)
    time.now = 1999
    expect(ask(cache, question)).toMatchObject({ reason: 'condition-false', cached: true })
    time.now = 2000
    ask(cache, question)
    expect(asked.times).toBe(2)
  })

  test('never longer than the SVID of the caller', () => {
    const { cache, time } = cacheAt(0)
    const { question, asked } = counted(() => YES, { notAfter: 5000 })
    ask(cache, question)
    time.now = 4999
    expect(ask(cache, question)).toMatchObject({ cached: true })
    time.now = 5000
    ask(cache, question)
    ask(cache, question)
    expect(asked.times).toBe(3)
  })

  test.each([
    [0, 27_000],
    [0.999_999_999, 33_000],
  ])('with the jitter of %d it is %d ms', (random, ttlMs) => {
    const { cache, time } = cacheAt(0, { random: () => random })
    const { question, asked } = counted(() => YES)
    ask(cache, question)
    time.now = ttlMs - 1
    ask(cache, question)
    expect(asked.times).toBe(1)
    time.now = ttlMs
    ask(cache, question)
    expect(asked.times).toBe(2)
  })

  test('a clock that is set back while it said nothing sensible ends it', () => {
    const { cache, time } = cacheAt(1_000_000)
    const { question, asked } = counted(() => YES)
    ask(cache, question)
    time.now = Number.NaN
    ask(cache, question)
    time.now = 500_000
    ask(cache, question)
    expect(asked.times).toBe(3)
  })

  test('a clock that is set back ends it', () => {
    const { cache, time } = cacheAt(1_000_000)
    const { question, asked } = counted(() => YES)
    ask(cache, question)
    time.now = 999_999
    ask(cache, question)
    expect(asked.times).toBe(2)
  })

  test.each([
    conditionOutcomes.failed(new Error('policy server is gone')),
    deny('condition-not-boolean'),
    deny('condition-timeout'),
  ])('a failure is not remembered: $reason', (outcome) => {
    const { cache } = cacheAt(0)
    const { question, asked } = counted(() => outcome)
    expect(ask(cache, question)).toBe(outcome)
    expect(ask(cache, question)).toBe(outcome)
    expect(asked.times).toBe(2)
    expect(cache.stats().decisions).toBe(0)
  })
})

test('what the cache has done is counted', () => {
  const { cache } = cacheAt(0)
  const allowed = counted(() => YES)
  const refused = counted(() => NO, { tenant: GLOBEX })
  for (let times = 0; times < 3; times++) ask(cache, allowed.question)
  ask(cache, refused.question)
  expect(cache.stats()).toEqual({ tenants: 2, decisions: 2, hits: 2, misses: 2, evaluations: 2 })
})

test('of a caller whose SVID has ended nothing is kept', () => {
  const { cache } = cacheAt(5000)
  for (const notAfter of [4999, 5000]) ask(cache, counted(() => YES, { notAfter }).question)
  expect(cache.stats().decisions).toBe(0)
})

test('a stale decision is used until the end of the SVID of the caller', () => {
  const { cache, time } = cacheAt(0)
  const { allowedStale, refusedStale, failed, allowed } = engineOutcomes('judge')
  const stale = { ms: 10_000, allowed: allowedStale, refused: refusedStale }
  const failure = failed(new Error('gone'))
  let answer: Decision = allowed
  const { question } = counted(() => answer, { notAfter: 5000, maxAgeMs: 1000, stale })
  ask(cache, question)
  answer = failure
  time.now = 4999
  expect(ask(cache, question)).toBe(allowedStale)
  time.now = 5000
  expect(ask(cache, question)).toBe(failure)
})

describe('callers with the same question', () => {
  test('a thousand wait for one evaluation, and its failure reaches them all', async () => {
    const { cache } = cacheAt(0)
    const { calls, evaluate } = pending()
    const { question, asked } = counted(evaluate)
    const answers = Array.from({ length: 1000 }, async () => await cache.decide(question, question))
    calls[0]?.(deny('condition-timeout'))
    const reasons = await Promise.all(answers)
    expect(new Set(reasons.map(({ reason }) => reason))).toEqual(new Set(['condition-timeout']))
    expect(asked.times).toBe(1)
    expect(cache.stats()).toMatchObject({ misses: 1000, hits: 0, evaluations: 1 })
  })

  test('a rejected evaluation is not waited for again', async () => {
    const { cache } = cacheAt(0)
    const fault = new Error('a check never rejects, but if it did')
    const { question, asked } = counted(() => Promise.reject(fault))
    await expect(cache.decide(question, question)).rejects.toBe(fault)
    await expect(cache.decide(question, question)).rejects.toBe(fault)
    expect(asked.times).toBe(2)
  })

  test('a hit is answered synchronously', async () => {
    const { cache } = cacheAt(0)
    const { question } = counted(() => Promise.resolve(YES))
    await cache.decide(question, question)
    expect(ask(cache, question)).toMatchObject({ cached: true })
  })
})

describe('invalidation', () => {
  test('forgets one tenant and leaves the others', () => {
    const { cache } = cacheAt(0)
    const acme = counted(() => YES)
    const globex = counted(() => YES, { tenant: GLOBEX })
    ask(cache, acme.question)
    ask(cache, globex.question)
    cache.invalidate(ACME)
    ask(cache, acme.question)
    ask(cache, globex.question)
    expect([acme.asked.times, globex.asked.times]).toEqual([2, 1])
  })

  test('without a tenant forgets all', () => {
    const { cache } = cacheAt(0)
    const acme = counted(() => YES)
    const globex = counted(() => YES, { tenant: GLOBEX })
    ask(cache, acme.question)
    ask(cache, globex.question)
    cache.invalidate()
    expect(cache.stats()).toMatchObject({ tenants: 0, decisions: 0 })
    ask(cache, acme.question)
    ask(cache, globex.question)
    expect([acme.asked.times, globex.asked.times]).toEqual([2, 2])
  })

  test('is not undone by a clock that is set back', () => {
    const { cache, time } = cacheAt(1000)
    const { question, asked } = counted(() => YES)
    ask(cache, question)
    cache.invalidate()
    time.now = 999
    ask(cache, question)
    expect(asked.times).toBe(2)
  })

  test.each([
    ['of the tenant', ACME],
    ['of all', undefined],
  ])(
    '%s during an evaluation: its answer is not believed, the check is repeated',
    async (_, tenant) => {
      const { cache } = cacheAt(0)
      const { calls, evaluate } = pending()
      const { question } = counted(evaluate)
      const answer = cache.decide(question, question)
      cache.invalidate(tenant)
      calls[0]?.(YES)
      await untilCalled(calls, 2)
      calls[1]?.(NO)
      expect(await answer).toBe(NO)
      expect(ask(cache, question)).toMatchObject({ reason: 'condition-false', cached: true })
    },
  )

  test('twice during an evaluation: refused', async () => {
    const { cache } = cacheAt(0)
    const { calls, evaluate } = pending()
    const answer = decideOf(cache, counted(evaluate).question)
    cache.invalidate(ACME)
    calls[0]?.(YES)
    await untilCalled(calls, 2)
    cache.invalidate(ACME)
    calls[1]?.(YES)
    expect(await answer).toMatchObject({ allowed: false, reason: 'decision-outdated' })
    expect(cache.stats()).toMatchObject({ decisions: 0, misses: 1, evaluations: 2 })
  })

  test('who asks after it does not join an evaluation from before it', async () => {
    const { cache } = cacheAt(0)
    const { calls, evaluate } = pending()
    const { question } = counted(evaluate)
    const before = cache.decide(question, question)
    cache.invalidate(ACME)
    const after = cache.decide(question, question)
    expect(calls).toHaveLength(2)
    calls[1]?.(NO)
    expect(await after).toBe(NO)
    calls[0]?.(YES)
    await untilCalled(calls, 3)
    calls[2]?.(NO)
    expect(await before).toBe(NO)
  })

  test('of another tenant does not touch an evaluation', async () => {
    const { cache } = cacheAt(0)
    const { calls, evaluate } = pending()
    const answer = decideOf(cache, counted(evaluate).question)
    cache.invalidate(GLOBEX)
    calls[0]?.(YES)
    expect(await answer).toBe(YES)
    expect(calls).toHaveLength(1)
  })

  test('reaches an evaluation of a tenant that was evicted meanwhile', async () => {
    const { cache } = cacheAt(0, { maxTenants: 1 })
    const { calls, evaluate } = pending()
    const answer = decideOf(cache, counted(evaluate).question)
    ask(cache, counted(() => YES, { tenant: GLOBEX }).question)
    cache.invalidate(ACME)
    calls[0]?.(YES)
    await untilCalled(calls, 2)
    calls[1]?.(NO)
    expect(await answer).toBe(NO)
  })

  test('reaches each evaluation of such a tenant, also when another one has ended', async () => {
    const { cache } = cacheAt(0, { maxTenants: 1 })
    const [first, second] = [pending(), pending()]
    const evict = (): Decision => ask(cache, counted(() => YES, { tenant: GLOBEX }).question)
    const ended = decideOf(cache, counted(first.evaluate, { key: 'first' }).question)
    const answer = decideOf(cache, counted(second.evaluate, { key: 'second' }).question)
    evict()
    first.calls[0]?.(YES)
    expect(await ended).toBe(YES)
    evict()
    cache.invalidate(ACME)
    second.calls[0]?.(YES)
    await untilCalled(second.calls, 2)
    second.calls[1]?.(NO)
    expect(await answer).toBe(NO)
  })

  test('reaches an evaluation of such a tenant, also when one from before another invalidation has ended', async () => {
    const { cache } = cacheAt(0, { maxTenants: 1 })
    const [first, second] = [pending(), pending()]
    const evict = (): Decision => ask(cache, counted(() => YES, { tenant: GLOBEX }).question)
    const outdated = decideOf(cache, counted(first.evaluate, { key: 'first' }).question)
    cache.invalidate(ACME)
    const answer = decideOf(cache, counted(second.evaluate, { key: 'second' }).question)
    evict()
    first.calls[0]?.(YES)
    await untilCalled(first.calls, 2)
    evict()
    cache.invalidate(ACME)
    second.calls[0]?.(YES)
    await untilCalled(second.calls, 2)
    second.calls[1]?.(NO)
    expect(await answer).toBe(NO)
    first.calls[1]?.(YES)
    expect(await outdated).toMatchObject({ reason: 'decision-outdated' })
  })

  test('a tenant that was evicted is forgotten once its evaluations have ended', async () => {
    const { cache } = cacheAt(0, { maxTenants: 1 })
    const { question, asked } = counted(() => Promise.resolve(YES))
    await cache.decide(question, question)
    ask(cache, counted(() => YES, { tenant: GLOBEX }).question)
    expect(await cache.decide(question, question)).toBe(YES)
    expect(asked.times).toBe(2)
  })

  test('eviction of a tenant alone does not repeat its evaluation', async () => {
    const { cache } = cacheAt(0, { maxTenants: 1 })
    const { calls, evaluate } = pending()
    const { question } = counted(evaluate)
    const answer = cache.decide(question, question)
    ask(cache, counted(() => YES, { tenant: GLOBEX }).question)
    const joined = cache.decide(question, question)
    calls[0]?.(YES)
    expect([await answer, await joined]).toEqual([YES, YES])
    expect(calls).toHaveLength(1)
  })
})

describe('what is not to be remembered', () => {
  test('is answered at once where the check answers at once, each time', () => {
    const { cache } = cacheAt(0)
    const { question, asked } = counted(() => YES)
    for (let times = 0; times < 3; times++) expect(decideAfreshOf(cache, question)).toBe(YES)
    expect(asked.times).toBe(3)
  })

  test.each([
    ['of the tenant', ACME],
    ['of all', undefined],
  ])('is asked again too when an invalidation %s overtook it', async (_, tenant) => {
    const { cache } = cacheAt(0)
    const { calls, evaluate } = pending()
    const answer = decideAfreshOf(cache, counted(evaluate).question)
    cache.invalidate(tenant)
    calls[0]?.(YES)
    await untilCalled(calls, 2)
    calls[1]?.(NO)
    expect(await answer).toBe(NO)
    expect(cache.stats().tenants).toBe(0)
  })

  test('refuses when it is overtaken twice', async () => {
    const { cache } = cacheAt(0)
    const { calls, evaluate } = pending()
    const answer = decideAfreshOf(cache, counted(evaluate).question)
    cache.invalidate(ACME)
    calls[0]?.(YES)
    await untilCalled(calls, 2)
    cache.invalidate(ACME)
    calls[1]?.(YES)
    expect(await answer).toMatchObject({ allowed: false, reason: 'decision-outdated' })
  })

  test('is asked for by each caller, once, when another tenant is invalidated', async () => {
    const { cache } = cacheAt(0)
    const { calls, evaluate } = pending()
    const { question } = counted(evaluate)
    const answers = [1, 2].map(async () => await cache.decideAfresh(question, question))
    cache.invalidate(GLOBEX)
    calls[0]?.(YES)
    calls[1]?.(NO)
    expect(await Promise.all(answers)).toEqual([YES, NO])
    expect(calls).toHaveLength(2)
  })

  test('evicts nothing that is remembered of another tenant', async () => {
    const { cache } = cacheAt(0, { maxTenants: 1 })
    const globex = counted(() => YES, { tenant: GLOBEX })
    ask(cache, globex.question)
    await decideAfreshOf(cache, counted(() => Promise.resolve(YES)).question)
    expect(ask(cache, globex.question)).toMatchObject({ cached: true })
  })
})

describe('while what is remembered may not be used', () => {
  test('a thousand wait for one evaluation, and nothing of it is kept', async () => {
    const { cache } = cacheAt(0, { isCurrent: () => false })
    const { calls, evaluate } = pending()
    const { question, asked } = counted(evaluate)
    const answers = Array.from({ length: 1000 }, async () => await cache.decide(question, question))
    calls[0]?.(YES)
    expect(new Set(await Promise.all(answers))).toEqual(new Set([YES]))
    expect(asked.times).toBe(1)
    void cache.decide(question, question)
    expect(asked.times).toBe(2)
    expect(cache.stats()).toMatchObject({ tenants: 0, decisions: 0 })
  })

  test('an evaluation that an invalidation overtook is repeated', async () => {
    const { cache } = cacheAt(0, { isCurrent: () => false })
    const { calls, evaluate } = pending()
    const answer = decideOf(cache, counted(evaluate).question)
    cache.invalidate(ACME)
    calls[0]?.(YES)
    await untilCalled(calls, 2)
    calls[1]?.(NO)
    expect(await answer).toBe(NO)
  })

  test('nothing is kept of an evaluation that began before', async () => {
    const bus = { isCurrent: true }
    const { cache } = cacheAt(0, { isCurrent: () => bus.isCurrent })
    const { calls, evaluate } = pending()
    const answer = decideOf(cache, counted(evaluate).question)
    bus.isCurrent = false
    calls[0]?.(YES)
    expect(await answer).toBe(YES)
    expect(cache.stats().decisions).toBe(0)
  })
})

describe('the policy version', () => {
  test('voids what was decided under another', () => {
    const policy = { version: 'a' }
    const { cache } = cacheAt(0, { policyVersion: () => policy.version })
    const { question, asked } = counted(() => YES)
    ask(cache, question)
    policy.version = 'b'
    ask(cache, question)
    expect(asked.times).toBe(2)
  })

  test('that changes during an evaluation makes the check be repeated', async () => {
    const policy = { version: 1 }
    const { cache } = cacheAt(0, { policyVersion: () => policy.version })
    const { calls, evaluate } = pending()
    const answer = decideOf(cache, counted(evaluate).question)
    policy.version = 2
    calls[0]?.(YES)
    await untilCalled(calls, 2)
    calls[1]?.(NO)
    expect(await answer).toBe(NO)
  })

  test('that changes and changes back, seen by another tenant alone, makes the check be repeated', async () => {
    const policy = { version: 1 }
    const { cache } = cacheAt(0, { policyVersion: () => policy.version })
    const { calls, evaluate } = pending()
    const answer = decideOf(cache, counted(evaluate).question)
    policy.version = 2
    ask(cache, counted(() => NO, { tenant: GLOBEX }).question)
    policy.version = 1
    calls[0]?.(YES)
    await untilCalled(calls, 2)
    calls[1]?.(NO)
    expect(await answer).toBe(NO)
  })

  test('that changes and changes back does not revive what was invalidated in between', async () => {
    const policy = { version: 1 }
    const { cache } = cacheAt(0, { policyVersion: () => policy.version })
    const { calls, evaluate } = pending()
    const { question } = counted(evaluate)
    const answer = cache.decide(question, question)
    policy.version = 2
    ask(cache, counted(() => NO).question)
    cache.invalidate(ACME)
    policy.version = 1
    calls[0]?.(YES)
    await untilCalled(calls, 2)
    calls[1]?.(NO)
    expect(await answer).toBe(NO)
  })
})

describe('bounds', () => {
  test('a tenant holds maxDecisionsPerTenant at most, and there are maxTenants', () => {
    const { cache } = cacheAt(0, { maxTenants: 3, maxDecisionsPerTenant: 10 })
    for (let tenant = 0; tenant < 20; tenant++) {
      for (let key = 0; key < 100; key++) {
        const { question } = counted(() => YES, { tenant: `t${tenant}`, key: `k${key}` })
        ask(cache, question)
        ask(cache, question)
      }
    }
    const { tenants, decisions } = cache.stats()
    expect(tenants).toBe(3)
    expect(decisions).toBeGreaterThan(3)
    expect(decisions).toBeLessThanOrEqual(30)
  })

  test('a noisy tenant evicts nothing of another', () => {
    const { cache } = cacheAt(0)
    const quiet = Array.from({ length: 50 }, (_, key) => counted(() => YES, { key: `k${key}` }))
    for (const { question } of quiet) {
      ask(cache, question)
      ask(cache, question)
    }
    for (let key = 0; key < 10_000; key++) {
      ask(cache, counted(() => YES, { tenant: GLOBEX, key: `k${key}` }).question)
    }
    for (const { question } of quiet) ask(cache, question)
    expect(quiet.map(({ asked }) => asked.times)).toEqual(quiet.map(() => 1))
  })

  test('ever new keys within a tenant do not evict what is asked for again', () => {
    const { cache } = cacheAt(0)
    const steady = counted(() => YES)
    ask(cache, steady.question)
    ask(cache, steady.question)
    for (let key = 0; key < 10_000; key++) {
      ask(cache, counted(() => YES, { key: `made-up-${key}` }).question)
    }
    expect(ask(cache, steady.question)).toMatchObject({ cached: true })
    expect(steady.asked.times).toBe(1)
  })

  test('a long key counts as several decisions, and one that would fill the tenant is not kept', () => {
    const { cache } = cacheAt(0, { maxDecisionsPerTenant: 100 })
    for (let key = 0; key < 100; key++) {
      ask(cache, counted(() => YES, { key: `${key}${'x'.repeat(2000)}` }).question)
    }
    expect(cache.stats().decisions).toBeLessThanOrEqual(20 / 8)
    const huge = counted(() => YES, { key: 'x'.repeat(100_000) })
    ask(cache, huge.question)
    ask(cache, huge.question)
    expect(huge.asked.times).toBe(2)
  })

  test('names of the object prototype are names like any other', () => {
    const { cache } = cacheAt(0)
    for (const name of ['__proto__', 'constructor', 'toString']) {
      const { question, asked } = counted(() => NO, { tenant: name, key: name })
      expect(ask(cache, question)).toBe(NO)
      ask(cache, question)
      expect(asked.times).toBe(1)
    }
  })
})
