// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import type { Decision } from '../decision/decision.ts'
import { engineOutcomes } from '../decision/outcomes.ts'
import type { Engine } from './engine.ts'
import type { EngineEvent } from './events.ts'
import { EngineGuard } from './guard.ts'

const QUESTION = {
  spiffeId: SpiffeId.parse('spiffe://example.org/acme/web'),
  tenant: null,
  method: 'GET',
  route: '/',
  attributes: {},
}
const OUTCOMES = engineOutcomes('judge')

/** A guard whose clock stands until the test moves it; openings last exactly `openMs`. */
function guarded(decide: Engine['decide'], more: Partial<Engine> = {}) {
  const time = { now: 1_000_000 }
  const engine: Engine = { name: 'judge', cost: 'io', decide, ...more }
  const guard = new EngineGuard(engine, { clock: () => time.now, random: () => 0.5 })
  const ask = async (times = 1): Promise<string[]> => {
    const reasons: string[] = []
    for (let at = 0; at < times; at++) {
      reasons.push((await guard.query(QUESTION, 60_000, OUTCOMES)).reason)
    }
    return reasons
  }
  return { guard, time, ask }
}

const fails = (): boolean => {
  throw new Error('no')
}

describe('the breaker of an engine', () => {
  test('opens after five failures in a row, and the engine is not asked any more', async () => {
    let asked = 0
    const { guard, ask } = guarded(() => {
      asked++
      return fails()
    })
    expect(await ask(7)).toEqual([
      ...Array<string>(5).fill('engine-failed'),
      'engine-unavailable',
      'engine-unavailable',
    ])
    expect(asked).toBe(5)
    expect(guard.stats()).toMatchObject({ breaker: 'open', failed: 5, unavailable: 2 })
  })

  test('does not open while there are successes between', async () => {
    const answers = [fails, fails, fails, fails, () => true]
    let at = 0
    const { guard, ask } = guarded(() => answers[at++ % 5]!(), { breaker: { failureRate: 1 } })
    await ask(50)
    expect(guard.stats()).toMatchObject({ breaker: 'closed', failed: 40, allowed: 10 })
  })

  test('opens when a fifth of at least twenty calls fails, and counts those of 10 s', async () => {
    let at = 0
    const oneInFive = (): boolean => (at++ % 5 === 4 ? fails() : true)
    const first = guarded(oneInFive)
    await first.ask(19)
    expect(first.guard.stats().breaker).toBe('closed')
    await first.ask(1)
    expect(first.guard.stats().breaker).toBe('open')

    at = 0
    const second = guarded(oneInFive)
    await second.ask(15)
    second.time.now += 10_000
    await second.ask(5)
    expect(second.guard.stats().breaker).toBe('closed')
  })

  test('lets one call through after its time, and closes when that succeeds', async () => {
    let works = false
    const { guard, time, ask } = guarded(() => works || fails(), { breaker: { openMs: 500 } })
    await ask(5)
    time.now += 499
    expect(await ask()).toEqual(['engine-unavailable'])
    works = true
    time.now += 1
    expect(await ask(3)).toEqual(['allowed', 'allowed', 'allowed'])
    expect(guard.stats().breaker).toBe('closed')
  })

  test('opens again for as long when the probe fails', async () => {
    const { guard, time, ask } = guarded(fails, { breaker: { openMs: 500 } })
    await ask(5)
    time.now += 500
    expect(await ask(2)).toEqual(['engine-failed', 'engine-unavailable'])
    time.now += 499
    expect(await ask()).toEqual(['engine-unavailable'])
    time.now += 1
    expect(await ask()).toEqual(['engine-failed'])
    expect(guard.stats().failed).toBe(7)
  })

  test('sends one probe at a time', async () => {
    const answers: ((answer: boolean) => void)[] = []
    let works = false
    const { guard, time, ask } = guarded(() =>
      works ? new Promise((resolve) => answers.push(resolve)) : fails(),
    )
    await ask(5)
    works = true
    time.now += 1000
    const probe = guard.query(QUESTION, 60_000, OUTCOMES)
    expect(await ask(2)).toEqual(['engine-unavailable', 'engine-unavailable'])
    answers[0]?.(true)
    expect((await probe).reason).toBe('allowed')
    expect(guard.stats().breaker).toBe('closed')
  })

  test.each<[string, (finish: () => void) => void]>([
    ['succeeds', (finish) => finish()],
    ['is lost in a lag', () => undefined],
  ])('is not moved by a call from before it opened that %s', async (_, end) => {
    const calls: ((answer: boolean) => void)[] = []
    let isHung = true
    const { guard, time, ask } = guarded(
      () => (isHung ? new Promise<boolean>((resolve) => calls.push(resolve)) : fails()),
      { breaker: { openMs: 500 } },
    )
    const early = guard.query(QUESTION, 5, OUTCOMES)
    isHung = false
    await ask(5)
    time.now += 500
    isHung = true
    const probe = guard.query(QUESTION, 60_000, OUTCOMES)
    end(() => calls[0]?.(true))
    await early
    expect(guard.stats().breaker).toBe('half-open')
    expect(await ask()).toEqual(['engine-unavailable'])
    calls[1]?.(true)
    await probe
    expect(guard.stats().breaker).toBe('closed')
  })

  test('takes a refusal for a success', async () => {
    const { guard, ask } = guarded(() => false)
    expect(new Set(await ask(50))).toEqual(new Set(['engine-denied']))
    expect(guard.stats()).toMatchObject({ breaker: 'closed', denied: 50, failed: 0 })
  })

  test('takes slow answers for failures, and the answers count', async () => {
    const { guard, time, ask } = guarded(
      () => {
        time.now += 11
        return true
      },
      { slowMs: 10 },
    )
    expect(await ask(6)).toEqual([...Array<string>(5).fill('allowed'), 'engine-unavailable'])
    expect(guard.stats()).toMatchObject({ breaker: 'open', slow: 5, allowed: 5 })
  })

  test('tells when it changes', async () => {
    const events: EngineEvent[] = []
    const listen = (event: unknown): void => void events.push(event as EngineEvent)
    subscribe('spiffe:authz:engine', listen)
    let works = false
    const { time, ask } = guarded(() => works || fails())
    await ask(5)
    works = true
    time.now += 1000
    await ask()
    unsubscribe('spiffe:authz:engine', listen)
    expect(events.map(({ engine, breaker }) => `${engine} ${breaker}`)).toEqual([
      'judge open',
      'judge half-open',
      'judge closed',
    ])
  })
})

test('an answer at once that took longer than its time counts, and is reported', async () => {
  const it = guarded(() => {
    it.time.now += 30
    return true
  })
  expect(await it.guard.query(QUESTION, 2, OUTCOMES)).toMatchObject({ allowed: true })
  expect(await it.guard.query(QUESTION, 30, OUTCOMES)).toMatchObject({ allowed: true })
  expect(it.guard.stats()).toMatchObject({ allowed: 2, overran: 1, breaker: 'closed' })
})

describe('a missed deadline', () => {
  const silent = (): Promise<boolean> => new Promise(() => undefined)
  const askShortly = async ({ guard }: { guard: EngineGuard }): Promise<Decision> =>
    guard.query(QUESTION, 1, OUTCOMES)

  test('counts as a failure', async () => {
    const it = guarded(silent, { breaker: { consecutiveFailures: 1 } })
    expect((await askShortly(it)).reason).toBe('engine-timeout')
    expect(it.guard.stats()).toMatchObject({ timedOut: 1, lagged: 0, breaker: 'open' })
  })

  test('is not blamed on the engine while this process was busy', async () => {
    const it = guarded(silent, { breaker: { consecutiveFailures: 1 } })
    const late = askShortly(it)
    it.time.now += 50
    expect((await late).reason).toBe('engine-timeout')
    expect(it.guard.stats()).toMatchObject({ timedOut: 0, lagged: 1, breaker: 'closed' })
  })
})

test('no more questions are under way than an engine takes', async () => {
  const answers: ((answer: boolean) => void)[] = []
  const { guard, ask } = guarded(() => new Promise((resolve) => answers.push(resolve)), {
    maxInFlight: 2,
  })
  const asked = [1, 2].map(async () => guard.query(QUESTION, 60_000, OUTCOMES))
  expect(await ask()).toEqual(['engine-busy'])
  expect(guard.stats()).toMatchObject({ inFlight: 2, busy: 1, breaker: 'closed' })
  for (const answer of answers) answer(true)
  await Promise.all(asked)
  expect(guard.stats()).toMatchObject({ inFlight: 0, allowed: 2 })
})

test('a question that missed its deadline is under way until its call has ended', async () => {
  const answers: ((answer: boolean) => void)[] = []
  const { guard } = guarded(() => new Promise((resolve) => answers.push(resolve)), {
    maxInFlight: 1,
  })
  const ask = async (): Promise<string> => (await guard.query(QUESTION, 1, OUTCOMES)).reason
  expect([await ask(), await ask()]).toEqual(['engine-timeout', 'engine-busy'])
  expect(guard.stats()).toMatchObject({ inFlight: 1, timedOut: 1, busy: 1 })
  answers[0]?.(true)
  await new Promise(setImmediate)
  expect(guard.stats()).toMatchObject({ inFlight: 0, allowed: 0 })
  expect(await ask()).toBe('engine-timeout')
})

test('a call that heeds its signal is under way no longer than its deadline', async () => {
  const { guard } = guarded(
    (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')))
      }),
    { maxInFlight: 1 },
  )
  for (let round = 0; round < 3; round++) {
    expect((await guard.query(QUESTION, 1, OUTCOMES)).reason).toBe('engine-timeout')
    await new Promise(setImmediate)
  }
  expect(guard.stats()).toMatchObject({ inFlight: 0, timedOut: 3, busy: 0 })
})
