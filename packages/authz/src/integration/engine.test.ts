// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance, type HTTPMethods } from 'fastify'
import {
  authz,
  type AuthzOptions,
  type CacheEvent,
  type DecisionEvent,
  type Engine,
  type EngineRequest,
  type RouteRule,
  where,
} from '../index.ts'

const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'

const apps: FastifyInstance[] = []
const events: DecisionEvent[] = []
const listen = (event: unknown): void => void events.push(event as DecisionEvent)

beforeEach(() => {
  events.length = 0
  subscribe('spiffe:authz:decision', listen)
})
afterEach(async () => {
  unsubscribe('spiffe:authz:decision', listen)
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

const reasons = (): readonly string[] => events.map(({ reason }) => reason)

/** An engine that keeps what it was asked. */
function engine(answer: (question: EngineRequest) => unknown, more: Partial<Engine> = {}) {
  const questions: EngineRequest[] = []
  const it: Engine = {
    name: 'judge',
    cost: 'io',
    decide: (question) => {
      questions.push(question)
      return answer(question) as boolean
    },
    ...more,
  }
  return { it, questions }
}

async function service(
  engines: readonly Engine[],
  rule: Partial<RouteRule>,
  options: AuthzOptions = {},
): Promise<FastifyInstance> {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  await app.register(authz, { engines, ...options })
  const spiffe: RouteRule = { anyAuthenticated: true, ...rule }
  app.route({ method: ['GET', 'PUT'], url: '/orders/:id', config: { spiffe }, handler: () => 'in' })
  return app
}

const statusOf = async (
  app: FastifyInstance,
  as: string | null = WEB,
  url = '/orders/7',
  method: HTTPMethods = 'GET',
): Promise<number> => (await injectAs(app, as, { method, url })).statusCode

describe('an engine', () => {
  test.each([
    ['true', true, 200, 'allowed'],
    ['false', false, 403, 'engine-denied'],
    ['1', 1, 403, 'engine-not-boolean'],
    ['"allow"', 'allow', 403, 'engine-not-boolean'],
    ['nothing', undefined, 403, 'engine-not-boolean'],
    ['an object', { allow: true }, 403, 'engine-not-boolean'],
  ])('that says %s: %p leads to %i', async (_, answer, status, reason) => {
    for (const settle of [(it: unknown) => it, async (it: unknown) => it]) {
      const app = await service([engine(() => settle(answer)).it], { engines: ['judge'] })
      expect(await statusOf(app)).toBe(status)
    }
    expect(reasons()).toEqual([reason, reason])
    expect(events.map((event) => event.engine)).toEqual(['judge', 'judge'])
  })

  test('that throws, rejects or misses its deadline refuses, and is asked again', async () => {
    const answers: (() => unknown)[] = [
      () => {
        throw new Error('no')
      },
      () => Promise.reject(new Error('no')),
      () => new Promise(() => undefined),
      () => true,
    ]
    const judge = engine(() => answers.shift()?.(), { timeoutMs: 5 })
    const app = await service([judge.it], { engines: ['judge'] })
    for (const status of [403, 403, 403, 200]) expect(await statusOf(app)).toBe(status)
    expect(reasons()).toEqual(['engine-failed', 'engine-failed', 'engine-timeout', 'allowed'])
  })

  test('receives the caller, the method, the pattern and what the rule declares', async () => {
    const judge = engine(() => true)
    const use = { engine: 'judge', reads: ['params.id', 'headers.host'] } as const
    const app = await service([judge.it], { engines: [use] }, { tenant: '/{tenant}/{workload}' })
    await statusOf(app, WEB, '/orders/a%2Fb', 'PUT')
    const [question] = judge.questions
    expect(question).toMatchObject({
      method: 'PUT',
      route: '/orders/:id',
      tenant: { name: 'acme' },
    })
    expect(question?.spiffeId.toString()).toBe(WEB)
    expect(question?.attributes['params.id']).toBe('a/b')
    expect(() => question?.attributes.ip).toThrow(
      expect.objectContaining({ code: 'undeclared-attribute' }),
    )
    expect(Object.isFrozen(question) && Object.isFrozen(question?.attributes)).toBe(true)
  })

  test('receives its own reads where the rule names none', async () => {
    const judge = engine(() => true, { reads: ['params.id'] })
    const app = await service([judge.it], { engines: ['judge'] })
    await statusOf(app)
    expect(judge.questions[0]?.attributes['params.id']).toBe('7')
  })

  test('is not asked about callers that the rule or a condition refuses', async () => {
    const judge = engine(() => true)
    const even = where((it) => Number(it['params.id']) % 2 === 0, { reads: ['params.id'] })
    const app = await service([judge.it], { engines: ['judge'], deny: [API], where: even })
    expect(await statusOf(app, API, '/orders/8')).toBe(403)
    expect(await statusOf(app, WEB, '/orders/7')).toBe(403)
    expect(await statusOf(app, null, '/orders/8')).toBe(401)
    expect(judge.questions).toEqual([])
    expect(await statusOf(app, WEB, '/orders/8')).toBe(200)
    expect(reasons()).toEqual(['denied', 'condition-false', 'no-identity', 'allowed'])
  })
})

describe('several engines', () => {
  test('must all allow, and the first that does not decides', async () => {
    const answers = { first: true, second: true, third: true }
    const names = ['first', 'second', 'third'] as const
    const engines = names.map((name) => engine(async () => answers[name], { name }))
    const app = await service(
      engines.map(({ it }) => it),
      { engines: names.map((name) => ({ engine: name, maxAgeMs: 0 })) },
    )
    expect(await statusOf(app)).toBe(200)
    answers.second = false
    expect(await statusOf(app)).toBe(403)
    expect(engines.map(({ questions }) => questions.length)).toEqual([2, 2, 1])
    expect(events.at(-1)).toMatchObject({ reason: 'engine-denied', engine: 'second' })
  })

  test('remember their decisions apart', async () => {
    const yes = engine(async () => true, { name: 'yes' })
    const no = engine(async () => false, { name: 'no' })
    const app = await service([yes.it, no.it], { engines: ['yes', 'no'] })
    for (let round = 0; round < 2; round++) expect(await statusOf(app)).toBe(403)
    expect([yes.questions.length, no.questions.length]).toEqual([1, 1])
    expect(events.map(({ cached }) => cached)).toEqual([false, true])
  })
})

describe('what an engine decided', () => {
  test('is remembered by caller, method and declared attributes', async () => {
    const judge = engine(async ({ method }) => method === 'GET', { reads: ['params.id'] })
    const app = await service([judge.it], { engines: ['judge'] })
    const ask = (as: string, id: number, method: HTTPMethods): Promise<number> =>
      statusOf(app, as, `/orders/${id}`, method)
    for (let round = 0; round < 2; round++) {
      expect(await ask(WEB, 1, 'GET')).toBe(200)
      expect(await ask(WEB, 1, 'PUT')).toBe(403)
      expect(await ask(WEB, 2, 'GET')).toBe(200)
      expect(await ask(API, 1, 'GET')).toBe(200)
    }
    expect(judge.questions.length).toBe(4)
  })

  test('is not used again once the engine has other policies', async () => {
    let version = 'v1'
    const judge = engine(() => version === 'v1', { cost: 'cpu', policyVersion: () => version })
    const app = await service([judge.it], { engines: ['judge'] })
    expect([await statusOf(app), await statusOf(app)]).toEqual([200, 200])
    version = 'v2'
    expect([await statusOf(app), await statusOf(app)]).toEqual([403, 403])
    expect(judge.questions.length).toBe(2)
  })

  test.each([
    ['while it was asked about something else', true],
    ['unnoticed but for the answer itself', false],
  ])('is not used again once a version of policies has come and gone %s', async (_, isAsked) => {
    let version = 'v1'
    const answers: ((answer: boolean) => void)[] = []
    const decide = (): unknown =>
      answers.length === 0 && new Promise((resolve) => answers.push(resolve))
    const judge = engine(decide, {
      policyVersion: () => version,
      reads: ['params.id'],
      timeoutMs: 60_000,
    })
    const app = await service([judge.it], { engines: ['judge'] })
    const first = statusOf(app)
    while (answers.length === 0) await new Promise(setImmediate)
    version = 'v2'
    if (isAsked) {
      await statusOf(app, WEB, '/orders/8')
      version = 'v1'
    }
    answers[0]?.(true)
    expect(await first).toBe(200)
    version = 'v1'
    expect(await statusOf(app)).toBe(403)
  })

  test.each([
    ['inline', 'always', 2],
    ['cpu', 'cached', 1],
    ['io', 'cached', 1],
  ] as const)('by an engine of cost %s is %s', async (cost, _, asked) => {
    const judge = engine(() => true, { cost })
    const app = await service([judge.it], { engines: ['judge'] })
    expect([await statusOf(app), await statusOf(app)]).toEqual([200, 200])
    expect(judge.questions.length).toBe(asked)
  })

  test('is used for as long as the rule bounds it', async () => {
    const time = { now: Date.now() }
    const judge = engine(() => true)
    const use = { engine: 'judge', maxAgeMs: 100 } as const
    const app = await service([judge.it], { engines: [use] }, { clock: () => time.now })
    await statusOf(app)
    time.now += 99
    await statusOf(app)
    expect(judge.questions.length).toBe(1)
    time.now += 1
    await statusOf(app)
    expect(judge.questions.length).toBe(2)
  })
})

describe('the cache of an engine that computes in this process', () => {
  const listenTo = async (work: () => Promise<void>): Promise<CacheEvent[]> => {
    const told: CacheEvent[] = []
    const hear = (event: unknown): void => void told.push(event as CacheEvent)
    subscribe('spiffe:authz:cache', hear)
    await work()
    unsubscribe('spiffe:authz:cache', hear)
    return told
  }
  const askMany = async (app: FastifyInstance, times: number, distinct: number): Promise<void> => {
    for (let at = 0; at < times; at++) await statusOf(app, WEB, `/orders/${at % distinct}`)
  }

  test('is bypassed for a while where too few answers come from it, which is reported', async () => {
    const judge = engine(() => true, { cost: 'cpu', reads: ['params.id'] })
    const app = await service([judge.it], { engines: ['judge'] })
    const told = await listenTo(() => askMany(app, 1000, 1000))
    expect(told).toEqual([{ engine: 'judge', route: '/orders/:id', hitRate: 0 }])
    const before = app.authz.stats()
    await askMany(app, 50, 1)
    expect(judge.questions.length).toBe(1050)
    expect(app.authz.stats()).toEqual(before)
  })

  test('stays where it pays, or where the rule asks for it', async () => {
    const judge = engine(() => true, { cost: 'cpu', reads: ['params.id'] })
    const paying = await service([judge.it], { engines: ['judge'] })
    const wanted = await service([judge.it], {
      engines: [{ engine: 'judge', maxAgeMs: 3_600_000 }],
    })
    const told = await listenTo(async () => {
      // Twice each: a decision that was asked for again is kept.
      for (let round = 0; round < 10; round++) await askMany(paying, 100, 50)
      await askMany(wanted, 1000, 1000)
    })
    expect(told).toEqual([])
  })
})

describe('the boot', () => {
  const judge = engine(() => true).it
  test.each<[string, unknown]>([
    ['no list', judge],
    ['no engine', [{ name: 'judge' }]],
    ['an unknown cost', [{ ...judge, cost: 'cheap' }]],
    ['a name in upper case', [{ ...judge, name: 'Judge' }]],
    ['the same name twice', [judge, { ...judge }]],
  ])('refuses %s as engines', async (_, engines) => {
    await expect(service(engines as Engine[], {})).rejects.toMatchObject({ code: 'invalid-option' })
  })

  test.each<[string, unknown]>([
    ['an engine that there is not', ['other']],
    ['a name of the prototype', ['constructor']],
    ['no list', 'judge'],
    ['an unknown key', [{ engine: 'judge', ttl: 1 }]],
    ['an attribute that there is not', [{ engine: 'judge', reads: ['nonsense'] }]],
    ['an age that is no number', [{ engine: 'judge', maxAgeMs: 'stale' }]],
    ['an age without bound', [{ engine: 'judge', maxAgeMs: Infinity }]],
    ['a deadline of zero', [{ engine: 'judge', timeoutMs: 0 }]],
    ...['reads', 'maxAgeMs', 'timeoutMs'].map((key): [string, unknown] => [
      `null for ${key}`,
      [{ engine: 'judge', [key]: null }],
    ]),
  ])('refuses a rule with %s', async (_, engines) => {
    const rule = { engines: engines as RouteRule['engines'] } as Partial<RouteRule>
    await expect(service([judge], rule)).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test('refuses engines beside public', async () => {
    const rule = { anyAuthenticated: undefined, public: { reason: 'a test' }, engines: ['judge'] }
    await expect(service([judge], rule as never)).rejects.toMatchObject({ code: 'invalid-rule' })
  })
})

test('engines are closed with the application', async () => {
  const closed: string[] = []
  const app = await service(
    ['one', 'two'].map(
      (name) => engine(() => true, { name, close: () => void closed.push(name) }).it,
    ),
    {},
  )
  await app.close()
  expect(closed.toSorted()).toEqual(['one', 'two'])
})
