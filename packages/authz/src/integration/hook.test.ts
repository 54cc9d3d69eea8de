// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  type AttributeProvider,
  authz,
  type AuthzOptions,
  type DecisionEvent,
  type Engine,
  type PolicyDocument,
  protect,
  type RouteRule,
  where,
} from '../index.ts'

const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

/** An application with one route, and what was decided there. */
async function service(
  rule: RouteRule | undefined,
  options: AuthzOptions = {},
  around?: RouteRule,
) {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  await app.register(authz, options)
  if (around !== undefined) protect(app, around)
  app.get('/', rule === undefined ? {} : { config: { spiffe: rule } }, () => 'in')
  const events: DecisionEvent[] = []
  const listen = (event: unknown): void => void events.push(event as DecisionEvent)
  const ask = async (as: string | null = WEB): Promise<readonly [number, string | undefined]> => {
    subscribe('spiffe:authz:decision', listen)
    const { statusCode } = await injectAs(app, as, '/')
    unsubscribe('spiffe:authz:decision', listen)
    return [statusCode, events.at(-1)?.reason]
  }
  return { app, ask, events }
}

const fails = (): never => {
  throw new Error('no')
}
const never = where(() => false, { reads: ['device.trust'] })

describe('what a provider brings', () => {
  const provider = (provision: object): AttributeProvider => ({
    group: 'device',
    provide: async () => ({ get: () => 'trusted', ...provision }),
  })

  test('is no decision, whatever it looks like', async () => {
    const attributes = [provider({ allowed: true, reason: 'allowed' })]
    const { ask } = await service({ anyAuthenticated: true, where: never }, { attributes })
    expect(await ask()).toEqual([403, 'condition-false'])
  })

  test('is a text, or else refused: numbers and texts may not share a key', async () => {
    const attributes = [provider({ get: () => 5 })]
    const always = where(() => true, { reads: ['device.trust'] })
    const { ask } = await service({ anyAuthenticated: true, where: always }, { attributes })
    expect(await ask()).toEqual([403, 'ambiguous-attribute'])
  })

  test('that cannot be read refuses', async () => {
    const attributes = [provider({ get: 'trusted' })]
    const always = where(() => true, { reads: ['device.trust'] })
    const { ask } = await service({ anyAuthenticated: true, where: always }, { attributes })
    expect(await ask()).toEqual([403, 'attribute-failed'])
  })
})

describe('a last decision that stands in', () => {
  test('shows although an engine that is asked after it works', async () => {
    const time = { now: Date.now() }
    let works = true
    const engines: Engine[] = [
      {
        name: 'judge',
        cost: 'io',
        onError: 'stale',
        decide: async () => works || fails(),
      },
      { name: 'other', cost: 'io', decide: async () => true },
    ]
    const { ask } = await service(
      { anyAuthenticated: true, engines: ['judge', 'other'] },
      { engines, clock: () => time.now },
    )
    expect(await ask()).toEqual([200, 'allowed'])
    works = false
    time.now += 40_000
    expect(await ask()).toEqual([200, 'stale'])
  })

  test('stands in for no quota: the engine did not fail', async () => {
    const time = { now: Date.now() }
    const judge: Engine = {
      name: 'judge',
      cost: 'io',
      onError: 'stale',
      decide: async () => true,
    }
    const { ask } = await service(
      { anyAuthenticated: true, engines: ['judge'] },
      { engines: [judge], clock: () => time.now, tenants: { maxEvaluationsPerSecond: 1 } },
    )
    expect(await ask()).toEqual([200, 'allowed'])
    time.now += 40_000
    expect(await ask()).toEqual([429, 'tenant-quota'])
  })
})

describe('a rule in shadow mode', () => {
  test('lets in when it fails after something was awaited', async () => {
    let isBroken = false
    const engine: Engine = {
      name: 'judge',
      cost: 'io',
      decide: async () => true,
      policyVersion: () => (isBroken ? fails() : 'v1'),
    }
    const first = where(
      async () => {
        isBroken = true
        return true
      },
      { reads: [] },
    )
    const rule: RouteRule = { anyAuthenticated: true, where: first, engines: ['judge'] }
    const enforced = await service(rule, { engines: [engine] })
    expect(await enforced.ask()).toEqual([403, 'rule-failed'])
    isBroken = false
    const shadow = await service({ ...rule, mode: 'shadow' }, { engines: [engine] })
    expect(await shadow.ask()).toEqual([200, 'rule-failed'])
  })

  test('lets no caller in that an enforced rule around it denies', async () => {
    const around: RouteRule = { anyAuthenticated: true, deny: [API] }
    const { ask } = await service({ allow: [WEB], mode: 'shadow' }, {}, around)
    expect(await ask(WEB)).toEqual([200, 'allowed'])
    expect(await ask(API)).toEqual([403, 'denied'])
    expect(await ask(null)).toEqual([200, 'no-identity'])
  })

  test('denies nobody at the routes within', async () => {
    const around: RouteRule = { anyAuthenticated: true, deny: [API], mode: 'shadow' }
    const { ask } = await service({ anyAuthenticated: true }, {}, around)
    expect(await ask(API)).toEqual([200, 'any-authenticated'])
  })
})

describe('what takes note of decisions', () => {
  const allow: RouteRule = { allow: [WEB] }
  const slow: RouteRule = { allow: [WEB], where: where(async () => true, { reads: [] }) }

  test.each([
    ['at once', allow],
    ['later', slow],
  ])('changes none that is made %s when it fails', async (_, rule) => {
    let isBroken = false
    const random = (): number => (isBroken ? fails() : 0.5)
    const { ask } = await service(rule, { decisionLog: { write: () => undefined }, random })
    await ask()
    isBroken = true
    expect(await ask()).toEqual([200, 'allowed'])
    expect(await ask(API)).toEqual([403, 'not-allowed'])
  })
})

describe('a document under consideration', () => {
  test('takes nothing from the quota of the tenant', async () => {
    const judge: Engine = { name: 'judge', cost: 'io', decide: async () => true }
    const { app, ask } = await service(
      { anyAuthenticated: true, engines: [{ engine: 'judge', maxAgeMs: 0 }] },
      {
        engines: [judge],
        tenants: { maxEvaluationsPerSecond: 2 },
        policy: { prefixes: { '/': 'asking' }, policies: { asking: { anyAuthenticated: true } } },
      },
    )
    await app.ready()
    const asking: RouteRule = { anyAuthenticated: true, engines: ['judge'] }
    await app.authz.setCandidate({ prefixes: { '/': asking } })
    expect(await ask()).toEqual([200, 'allowed'])
    expect(await ask()).toEqual([200, 'allowed'])
  })
})

describe('a check that an invalidation overtakes', () => {
  test.each([{}, { maxAgeMs: 0 }])(
    'is repeated once, whether it is cached or not: %j',
    async (age) => {
      let isEntitled = true
      const gate = new EventEmitter()
      const check = async (): Promise<boolean> => {
        const before = isEntitled
        const answered = once(gate, 'answer')
        gate.emit('ask')
        await answered
        return before
      }
      const { app, ask } = await service(
        { anyAuthenticated: true, where: where(check, { reads: [], ...age }) },
        { timeoutMs: 60_000 },
      )
      await app.ready()
      const first = once(gate, 'ask')
      const status = ask()
      await first
      isEntitled = false
      app.authz.invalidate()
      const second = once(gate, 'ask')
      gate.emit('answer')
      await second
      gate.emit('answer')
      expect(await status).toEqual([403, 'condition-false'])
    },
  )
})

describe('rules that are replaced while a request waits', () => {
  const THE_REST = 'spiffe://example.org/acme/other'

  /** A condition that says what the test says, when it says it. */
  const held = () => {
    const waiting: ((answer: boolean) => void)[] = []
    const asked = new EventEmitter()
    const check = (): Promise<boolean> =>
      new Promise((resolve) => {
        waiting.push(resolve)
        asked.emit('ask')
      })
    const condition = where(check, { reads: [], maxAgeMs: 0 })
    return { condition, asked, answer: (it: boolean) => waiting.shift()!(it) }
  }

  const policy = (version: string, rule: RouteRule): PolicyDocument => ({
    version,
    routes: { 'GET /': rule },
  })

  test('decide it, and nothing of those that are gone, when they are replaced twice', async () => {
    const { condition, asked, answer } = held()
    const { app, ask } = await service(undefined, {
      policy: policy('1', { anyAuthenticated: true, where: condition }),
    })
    await app.ready()
    const first = once(asked, 'ask')
    const status = ask()
    await first
    const second = once(asked, 'ask')
    await app.authz.reload(
      policy('2', { anyAuthenticated: true, where: condition, mode: 'shadow' }),
    )
    answer(false)
    await second
    await app.authz.reload(policy('3', { allow: [THE_REST] }))
    answer(false)
    expect(await status).toEqual([403, 'decision-outdated'])
  })

  test('and the decision name the same version, whenever the one comes after the other', async () => {
    const { condition, asked, answer } = held()
    const one = policy('1', { anyAuthenticated: true, where: condition })
    const two = policy('2', { allow: [THE_REST] })
    const { app, ask, events } = await service(undefined, { policy: one })
    await app.ready()
    for (let turns = 0; turns < 40; turns++) {
      await app.authz.reload(one)
      const asking = once(asked, 'ask')
      const status = ask()
      await asking
      answer(true)
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      await app.authz.reload(two)
      const [code] = await status
      const { policyVersion } = events.at(-1)!
      expect([code, policyVersion]).toEqual(code === 200 ? [200, '1'] : [403, '2'])
    }
  })
})
