// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, type AuthzOptions, type DecisionEvent, type Engine } from '../index.ts'

const fails = (): boolean => {
  throw new Error('no')
}

describe('the last decision of an engine that fails', () => {
  const WEB = 'spiffe://example.org/acme/web'
  const apps: FastifyInstance[] = []
  afterEach(async () => {
    await Promise.all(apps.splice(0).map((app) => app.close()))
  })

  async function service(engine: Partial<Engine>, options: AuthzOptions = {}) {
    const time = { now: Date.now() }
    let answer: () => boolean = () => true
    let version = 'v1'
    const judge: Engine = {
      name: 'judge',
      cost: 'io',
      decide: async () => answer(),
      policyVersion: () => version,
      ...engine,
    }
    const app = Fastify()
    apps.push(app)
    await app.register(peer)
    const clock = (): number => time.now
    await app.register(authz, { engines: [judge], clock, random: () => 0.5, ...options })
    const spiffe = { anyAuthenticated: true, engines: ['judge'] } as const
    app.get('/', { config: { spiffe } }, () => 'in')
    const events: DecisionEvent[] = []
    const listen = (event: unknown): void => void events.push(event as DecisionEvent)
    const ask = async (): Promise<readonly [number, string | undefined]> => {
      subscribe('spiffe:authz:decision', listen)
      const { statusCode } = await injectAs(app, WEB, '/')
      unsubscribe('spiffe:authz:decision', listen)
      return [statusCode, events.at(-1)?.reason]
    }
    return {
      app,
      time,
      ask,
      setAnswer: (next: () => boolean) => (answer = next),
      setVersion: (next: string) => (version = next),
    }
  }

  test('is not used unless it was asked for', async () => {
    const { time, ask, setAnswer } = await service({})
    expect(await ask()).toEqual([200, 'allowed'])
    setAnswer(fails)
    time.now += 31_000
    expect(await ask()).toEqual([403, 'engine-failed'])
  })

  test('stands in for as long as it was asked for, an allow and a refusal alike', async () => {
    for (const [first, status] of [
      [true, 200],
      [false, 403],
    ] as const) {
      const engine = { onError: 'stale', staleIfErrorMs: 10_000 } as const
      const { time, ask, setAnswer } = await service(engine)
      setAnswer(() => first)
      await ask()
      setAnswer(fails)
      time.now += first ? 30_000 : 2000
      expect(await ask()).toEqual([status, 'stale'])
      time.now += 9999
      expect(await ask()).toEqual([status, 'stale'])
      time.now += 1
      expect(await ask()).toEqual([403, 'engine-failed'])
    }
  })

  test('does not stand in for another policy, not even once the former returns', async () => {
    const { time, ask, setAnswer, setVersion } = await service({ onError: 'stale' })
    await ask()
    setAnswer(fails)
    time.now += 31_000
    setVersion('v2')
    expect(await ask()).toEqual([403, 'engine-failed'])
    setVersion('v1')
    expect(await ask()).toEqual([403, 'engine-failed'])
  })

  test('does not stand in after an invalidation', async () => {
    const { app, time, ask, setAnswer } = await service({ onError: 'stale' })
    await ask()
    setAnswer(fails)
    time.now += 31_000
    expect(await ask()).toEqual([200, 'stale'])
    app.authz.invalidate()
    expect(await ask()).toEqual([403, 'engine-failed'])
  })

  test('does not stand in where the engine only has too many questions', async () => {
    const answers: ((answer: boolean) => void)[] = []
    let isSlow = false
    const { app, time, ask } = await service({
      onError: 'stale',
      maxInFlight: 1,
      timeoutMs: 60_000,
      reads: ['headers.x-n'],
      decide: () => (isSlow ? new Promise((resolve) => answers.push(resolve)) : true),
    })
    expect(await ask()).toEqual([200, 'allowed'])
    time.now += 31_000
    isSlow = true
    const other = injectAs(app, WEB, { url: '/', headers: { 'x-n': 'other' } })
    while (answers.length === 0) await new Promise(setImmediate)
    expect(await ask()).toEqual([403, 'engine-busy'])
    answers[0]?.(true)
    expect((await other).statusCode).toBe(200)
  })

  test('is named to the caller by a header where one is configured', async () => {
    for (const [options, told] of [
      [{}, undefined],
      [{ staleHeader: 'x-authz-stale' }, 'judge'],
    ] as const) {
      const { app, time, setAnswer } = await service({ onError: 'stale' }, options)
      const header = async (): Promise<unknown> =>
        (await injectAs(app, WEB, '/')).headers['x-authz-stale']
      expect(await header()).toBeUndefined()
      setAnswer(fails)
      time.now += 31_000
      expect(await header()).toBe(told)
    }
  })

  test('is replaced by the next answer', async () => {
    const { time, ask, setAnswer } = await service({ onError: 'stale' })
    await ask()
    setAnswer(fails)
    time.now += 31_000
    await ask()
    setAnswer(() => false)
    expect(await ask()).toEqual([403, 'engine-denied'])
    setAnswer(fails)
    time.now += 3000
    expect(await ask()).toEqual([403, 'stale'])
  })
})

test.each<[string, Partial<Record<keyof Engine, unknown>>]>([
  ['a deadline of zero', { timeoutMs: 0 }],
  ['a bound of zero', { maxInFlight: 0 }],
  ['an unknown way with errors', { onError: 'allow' }],
  ['an endless stand-in', { staleIfErrorMs: Infinity }],
  ['a breaker that never opens', { breaker: { consecutiveFailures: 0 } }],
  ['a failure rate of zero', { breaker: { failureRate: 0 } }],
])('an engine with %s does not boot', async (_, more) => {
  const engine = { name: 'judge', cost: 'io', decide: () => true, ...more } as Engine
  const app = Fastify()
  await app.register(peer)
  await expect(app.register(authz, { engines: [engine] })).rejects.toMatchObject({
    code: 'invalid-option',
  })
})
