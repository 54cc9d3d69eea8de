// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
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
async function service(rule: RouteRule, options: AuthzOptions = {}, around?: RouteRule) {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  await app.register(authz, options)
  if (around !== undefined) protect(app, around)
  app.get('/', { config: { spiffe: rule } }, () => 'in')
  const events: DecisionEvent[] = []
  const listen = (event: unknown): void => void events.push(event as DecisionEvent)
  const ask = async (as: string | null = WEB): Promise<readonly [number, string | undefined]> => {
    subscribe('spiffe:authz:decision', listen)
    const { statusCode } = await injectAs(app, as, '/')
    unsubscribe('spiffe:authz:decision', listen)
    return [statusCode, events.at(-1)?.reason]
  }
  return { app, ask }
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
        onError: 'last-decision',
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
    expect(await ask()).toEqual([200, 'last-decision'])
  })

  test('stands in for no quota: the engine did not fail', async () => {
    const time = { now: Date.now() }
    const judge: Engine = {
      name: 'judge',
      cost: 'io',
      onError: 'last-decision',
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

  test('lets nobody in whom an enforced rule around it denies', async () => {
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
      { anyAuthenticated: true, engines: [{ engine: 'judge', freshness: 'always' }] },
      {
        engines: [judge],
        tenants: { maxEvaluationsPerSecond: 2 },
        policy: { prefixes: { '/': 'asking' }, policies: { asking: { anyAuthenticated: true } } },
      },
    )
    await app.ready()
    const asking: RouteRule = { anyAuthenticated: true, engines: ['judge'] }
    await app.authz.consider({ prefixes: { '/': asking } })
    expect(await ask()).toEqual([200, 'allowed'])
    expect(await ask()).toEqual([200, 'allowed'])
  })
})
