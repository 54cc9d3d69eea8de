// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { once } from 'node:events'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { peer } from '@fastify-spiffe/peer'
import { matchMemberOf, SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyServerOptions,
  type HTTPMethods,
} from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import {
  authz,
  AuthzError,
  PolicyError,
  type AuthzOptions,
  where,
  type Condition,
  type DecisionEvent,
  type Engine,
  type RouteRule,
  type Tenant,
} from './index.ts'
import { reasonsDuring } from './events.test.helper.ts'

const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'
const GLOBEX = 'spiffe://example.org/globex/web'
const FOREIGN = 'spiffe://other.org/acme/web'
const OPEN: RouteRule = { public: { reason: 'a test' } }

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

interface Call {
  readonly as?: string
  readonly method?: HTTPMethods
  readonly headers?: Record<string, string>
}

/** An instance that knows its callers. */
async function instance(options: FastifyServerOptions = {}): Promise<FastifyInstance> {
  const app = Fastify(options)
  apps.push(app)
  await app.register(peer)
  return app
}

async function call(app: FastifyInstance, url: string, { as, headers, method = 'GET' }: Call = {}) {
  return await injectAs(app, as ?? null, { method, url, ...(headers && { headers }) })
}

/** A service with the plugin, and `GET /` under one rule. */
async function service(rule: RouteRule, options: AuthzOptions = {}): Promise<FastifyInstance> {
  const app = await instance()
  await app.register(authz, options)
  app.get('/', { config: { spiffe: rule } }, () => 'in')
  return app
}

async function statusOf(app: FastifyInstance, as?: string, url = '/', more: Call = {}) {
  return (await call(app, url, { ...more, ...(as !== undefined && { as }) })).statusCode
}

async function bootError(work: Promise<unknown>): Promise<AuthzError | PolicyError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof AuthzError || error instanceof PolicyError) return error
  throw new Error('it booted, or failed otherwise', { cause: error })
}

describe('who may call a route', () => {
  test.each<[string, RouteRule, Record<string, number>]>([
    [
      'exact identities',
      { allow: [WEB, API] },
      { [WEB]: 200, [API]: 200, [GLOBEX]: 403, [FOREIGN]: 403 },
    ],
    ['a SpiffeId', { allow: [SpiffeId.parse(WEB)] }, { [WEB]: 200, [API]: 403 }],
    [
      'a pattern',
      { allow: ['spiffe://example.org/{tenant}/web'] },
      { [WEB]: 200, [GLOBEX]: 200, [API]: 403, [FOREIGN]: 403 },
    ],
    ['a matcher', { allow: [matchMemberOf('other.org')] }, { [FOREIGN]: 200, [WEB]: 403 }],
    [
      'all three together',
      { allow: [API, 'spiffe://example.org/globex/*', matchMemberOf('other.org')] },
      { [API]: 200, [GLOBEX]: 200, [FOREIGN]: 200, [WEB]: 403 },
    ],
    [
      'deny before allow',
      { allow: ['spiffe://example.org/**'], deny: [WEB] },
      { [WEB]: 403, [API]: 200 },
    ],
    ['deny although named by allow', { allow: [WEB], deny: [WEB] }, { [WEB]: 403 }],
    [
      'deny by pattern and matcher',
      { anyAuthenticated: true, deny: ['spiffe://example.org/*/api', matchMemberOf('other.org')] },
      { [WEB]: 200, [API]: 403, [FOREIGN]: 403 },
    ],
    ['an empty deny', { allow: [WEB], deny: [] }, { [WEB]: 200 }],
    ['anyAuthenticated', { anyAuthenticated: true }, { [WEB]: 200, [FOREIGN]: 200 }],
    ['public', OPEN, { [WEB]: 200, [FOREIGN]: 200 }],
    ['case matters', { allow: ['spiffe://example.org/acme/Web'] }, { [WEB]: 403 }],
  ])('%s', async (_, rule, expected) => {
    const app = await service(rule)
    for (const [id, status] of Object.entries(expected)) {
      expect([id, await statusOf(app, id)]).toEqual([id, status])
    }
    expect(await statusOf(app)).toBe(rule.public === undefined ? 401 : 200)
  })

  test('a matcher that throws refuses, in deny as in allow', async () => {
    class Broken extends SpiffeIdMatcher {
      matches(): boolean {
        throw new Error('broken')
      }
      toString(): string {
        return 'broken'
      }
    }
    for (const rule of [
      { anyAuthenticated: true, deny: [new Broken()] },
      { allow: [new Broken()] },
    ] as const) {
      const app = await service(rule)
      const reasons = await reasonsDuring(async () => expect(await statusOf(app, WEB)).toBe(403))
      expect(reasons).toEqual(['rule-failed'])
    }
  })

  test('a matcher that answers something else than a boolean refuses, in deny as in allow', async () => {
    class Odd extends SpiffeIdMatcher {
      readonly #answer: unknown
      constructor(answer: unknown) {
        super()
        this.#answer = answer
      }
      matches(): boolean {
        return this.#answer as boolean
      }
      toString(): string {
        return 'odd'
      }
    }
    for (const answer of [undefined, 0, 1, 'yes', Promise.resolve(true)]) {
      const allowed = await service({ allow: [new Odd(answer)] })
      const denied = await service({ anyAuthenticated: true, deny: [new Odd(answer)] })
      expect([await statusOf(allowed, WEB), await statusOf(denied, WEB)]).toEqual([403, 403])
    }
  })

  test('holds for every method of a route, its prefix, its versions, and its automatic HEAD', async () => {
    const app = await instance()
    await app.register(authz)
    await app.register(
      async (child) => {
        const config = { spiffe: { allow: [WEB] } }
        child.route({ method: ['PUT', 'POST'], url: '/', config, handler: () => 'in' })
        child.get('/:id', { config }, () => 'in')
        child.get('/:id', { config, constraints: { version: '2.0.0' } }, () => 'in')
      },
      { prefix: '/things' },
    )
    for (const [method, url, headers] of [
      ['PUT', '/things', {}],
      ['POST', '/things/', {}],
      ['GET', '/things/1', {}],
      ['HEAD', '/things/1', {}],
      ['GET', '/things/1', { 'accept-version': '2.0.0' }],
    ] as const) {
      const statuses = [WEB, API, undefined].map((id) =>
        statusOf(app, id, url, { method, headers }),
      )
      expect([method, url, ...(await Promise.all(statuses))]).toEqual([method, url, 200, 403, 401])
    }
  })

  test('routes that share one object of configuration keep their own rules', async () => {
    const app = await instance()
    await app.register(authz)
    const config = Object.freeze({ spiffe: Object.freeze({ allow: Object.freeze([WEB]) }) })
    app.get('/a', { config }, () => 'in')
    app.get('/b', { config: { ...config, spiffe: { allow: [API] } } }, () => 'in')
    app.get('/c', { config }, (request) => Object.keys(request.routeOptions.config))
    expect(await statusOf(app, WEB, '/a')).toBe(200)
    expect(await statusOf(app, WEB, '/b')).toBe(403)
    expect((await call(app, '/c', { as: WEB })).json()).toEqual(['spiffe', 'url', 'method'])
  })

  test('an identity that another plugin left undefined is none', async () => {
    const app = Fastify()
    apps.push(app)
    app.decorateRequest('spiffeId').decorateRequest('peer')
    await app.register(authz)
    app.get('/', { config: { spiffe: { anyAuthenticated: true } } }, () => 'in')
    expect((await app.inject('/')).statusCode).toBe(401)
  })

  test('a rule changed after the boot changes nothing', async () => {
    const allow = [WEB]
    const app = await service({ allow })
    await app.ready()
    allow.push(API)
    expect(await statusOf(app, API)).toBe(403)
  })
})

describe('a rule that cannot be right does not boot', () => {
  const check = (): boolean => true
  test.each<[string, unknown, string]>([
    ['not an object', 'spiffe://example.org/a', 'config.spiffe'],
    ['a list', [WEB], 'config.spiffe'],
    ['null', null, 'config.spiffe'],
    ['nothing in it', {}, 'config.spiffe'],
    ['an unknown key', { alow: [WEB] }, 'config.spiffe.alow'],
    ['an empty allow', { allow: [] }, 'config.spiffe.allow'],
    ['an absent allow', { allow: undefined }, 'config.spiffe.allow'],
    ['an allow that is no list', { allow: WEB }, 'config.spiffe.allow'],
    ['an absent deny', { allow: [WEB], deny: undefined }, 'config.spiffe.deny'],
    ['a deny that grants nothing to anybody', { deny: [WEB] }, 'config.spiffe'],
    [
      'a condition that grants nothing to anybody',
      { where: { reads: [], check } },
      'config.spiffe',
    ],
    ['a bad pattern', { allow: [WEB, 'spiffe://example.org/{tenant'] }, 'config.spiffe.allow[1]'],
    ['a wildcard as trust domain', { allow: ['spiffe://*/web'] }, 'config.spiffe.allow[0]'],
    [
      'an identity in upper case',
      { deny: ['SPIFFE://example.org/a'], allow: [WEB] },
      'config.spiffe.deny[0]',
    ],
    ['a regular expression', { allow: [/web/] }, 'config.spiffe.allow[0]'],
    ['public with allow', { ...OPEN, allow: [WEB] }, 'config.spiffe'],
    ['public with deny', { ...OPEN, deny: [WEB] }, 'config.spiffe'],
    ['public without a reason', { public: {} }, 'config.spiffe.public.reason'],
    ['public with a blank reason', { public: { reason: ' ' } }, 'config.spiffe.public.reason'],
    ['public: true', { public: true }, 'config.spiffe.public'],
    ['anyAuthenticated: false', { anyAuthenticated: false }, 'config.spiffe.anyAuthenticated'],
    ['anyAuthenticated with allow', { anyAuthenticated: true, allow: [WEB] }, 'config.spiffe'],
    [
      'a condition without a check',
      { allow: [WEB], where: { reads: [] } },
      'config.spiffe.where.check',
    ],
    ['a condition without reads', { allow: [WEB], where: { check } }, 'config.spiffe.where.reads'],
    [
      'an unknown key of a condition',
      { allow: [WEB], where: { reads: [], check, ttl: 1 } },
      'config.spiffe.where.ttl',
    ],
    [
      'a deadline of 0',
      { allow: [WEB], where: { reads: [], check, timeoutMs: 0 } },
      'config.spiffe.where.timeoutMs',
    ],
    [
      'a deadline beyond timers',
      { allow: [WEB], where: { reads: [], check, timeoutMs: 2 ** 31 } },
      'config.spiffe.where.timeoutMs',
    ],
    [
      'an age before now',
      { allow: [WEB], where: { reads: [], check, maxAgeMs: -1 } },
      'config.spiffe.where.maxAgeMs',
    ],
    ...[
      'body.id',
      'params',
      'params.',
      'params.other',
      'headers.X-Device',
      'tenant',
      'captures.tenant',
      'constructor',
      '__proto__.x',
      7,
    ].map((name): [string, unknown, string] => [
      `reading ${name}`,
      { anyAuthenticated: true, where: { reads: [name], check } },
      'config.spiffe.where.reads[0]',
    ]),
    [
      'reading twice',
      { allow: [WEB], where: { reads: ['ip', 'ip'], check } },
      'config.spiffe.where.reads',
    ],
  ])('%s', async (_, rule, key) => {
    const app = await instance()
    await app.register(authz)
    const declare = async (): Promise<void> => {
      app.get('/orders/:id', { config: { spiffe: rule as RouteRule } }, () => 'in')
    }
    const error = await bootError(declare())
    expect(error.code).toBe('invalid-rule')
    expect(error.message.startsWith(`GET /orders/:id: ${key}: `)).toBe(true)
  })

  test('and rejects the boot from within a plugin', async () => {
    const app = await instance()
    await app.register(authz)
    const plugin = async (child: FastifyInstance): Promise<void> => {
      child.get('/', { config: { spiffe: { allow: [] } } }, () => 'in')
    }
    expect((await bootError(Promise.resolve(app.register(plugin)))).code).toBe('invalid-rule')
  })

  test.each<[string, unknown, string?]>([
    ['option tenants', { tenants: '/{tenant}' }],
    ['option tenant', { tenant: '/{name}/{workload}' }],
    ['option tenant', { tenant: '{tenant}/x' }],
    ['option tenant', { tenant: 7 }],
    ['option cache.max', { cache: { max: 1 } }, 'unknown-option'],
    ['option cache', { cache: false }],
    ['option cache.maxTenants', { cache: { maxTenants: 0 } }],
    ['option cache.maxDecisionsPerTenant', { cache: { maxDecisionsPerTenant: 1 } }],
    ['option cache.allowTtlMs', { cache: { allowTtlMs: Infinity } }],
    ['option cache.denyTtlMs', { cache: { denyTtlMs: -1 } }],
    ['option timeoutMs', { timeoutMs: '5' }],
    ['option policyVersion', { policyVersion: 3 }],
    ['option clock', { clock: 0 }],
    ['option: notFound', { notFound: { allow: [] } }, 'invalid-rule'],
  ])('nor does a wrong %s', async (label, options, code = 'invalid-option') => {
    const app = await instance()
    const error = await bootError(Promise.resolve(app.register(authz, options as AuthzOptions)))
    expect(error.code).toBe(code)
    expect(error.message).toContain(label.split(/[ .]/).at(-1))
  })

  test('nor does a second registration', async () => {
    const app = await instance()
    await app.register(authz)
    const again = app.register(async (child) => {
      await child.register(authz)
    })
    expect((await bootError(Promise.resolve(again))).code).toBe('already-registered')
  })

  test('nor does the plugin without the one that knows the callers', async () => {
    const app = Fastify()
    apps.push(app)
    const error = await bootError(Promise.resolve(app.register(authz)))
    expect(error.code).toBe('peer-missing')
    expect(error.message).toContain('before')
  })

  test('nor where that one stands in another child', async () => {
    const app = Fastify()
    apps.push(app)
    await app.register(async (child) => {
      await child.register(peer)
    })
    const elsewhere = app.register(async (child) => {
      await child.register(authz)
    })
    const error = await bootError(Promise.resolve(elsewhere))
    expect(error.code).toBe('peer-missing')
    expect(error.message).toContain('fastify-plugin')
  })
})

describe('routes without a rule', () => {
  test('do not boot, and are listed all at once', async () => {
    const app = await instance()
    const early = fastifyPlugin(async (it: FastifyInstance) => {
      it.get('/plugin-before/:id(^\\d+$)', { config: { spiffe: OPEN } }, () => 'in')
    })
    await app.register(early)
    await app.register(
      async (child) => {
        child.get('/before', { config: { spiffe: OPEN } }, () => 'in')
        child.put('/before', () => 'in')
        child.get('/*', () => 'in')
      },
      { prefix: '/child' },
    )
    const registered = app.register(authz)
    app.get('/right-after/:a-:b', { config: { spiffe: OPEN } }, () => 'in')
    await registered
    app.get('/covered', { config: { spiffe: OPEN } }, () => 'in')
    app.get('/covered', { constraints: { version: '2.0.0' } }, () => 'in')
    app.route({ method: ['PUT', 'POST'], url: '/none', handler: () => 'in' })
    await app.register(async (child) => {
      child.get('/deep/:id?', { config: {} }, () => 'in')
    })
    const error = await bootError(Promise.resolve(app.ready()))
    expect(error.code).toBe('uncovered-routes')
    const routes = error.routes?.map(({ method, url }) => `${method} ${url}`).toSorted()
    expect(routes).toEqual([
      'GET /covered',
      'GET /deep/:id?',
      'GET, HEAD /child/*',
      'GET, HEAD /plugin-before/:id(^\\d+$)',
      'GET, HEAD /right-after/:a-:b',
      'GET, HEAD, PUT /child/before',
      'PUT, POST /none',
    ])
    for (const route of error.routes ?? []) expect(error.message).toContain(route.url)
  })

  test('with file and line of the code that declares them, where that is known', async () => {
    const app = await instance()
    await app.register(authz)
    const declare = (it: FastifyInstance): unknown => it.get('/known', () => 'in')
    await app.register(async (it) => declare(it))
    const error = await bootError(Promise.resolve(app.ready()))
    const [route] = error instanceof AuthzError ? (error.routes ?? []) : []
    expect(route?.declaredAt).toMatch(/authz\.test\.[jt]s:\d+$/)
    expect(error.message).toContain(`GET /known (${route?.declaredAt})`)
  })

  test('of an instance that loaded before the plugin and declares its routes later do not boot either', async () => {
    const app = await instance()
    const leaked: FastifyInstance[] = []
    await app.register(async (child) => void leaked.push(child))
    await app.register(authz)
    leaked[0]?.get('/leaked', { config: { spiffe: OPEN } }, () => 'in')
    const error = await bootError(Promise.resolve(app.ready()))
    expect(error.routes).toEqual([{ method: 'GET, HEAD', url: '/leaked', reason: 'not-seen' }])
  })

  test('that another registration, further in, has compiled are not covered by this one', async () => {
    const app = await instance()
    await app.register(async (child) => {
      await child.register(authz)
      child.get('/inner', { config: { spiffe: OPEN } }, () => 'in')
    })
    await app.register(authz)
    const error = await bootError(Promise.resolve(app.ready()))
    expect(error.routes).toMatchObject([{ url: '/inner', reason: 'guarded-twice' }])
  })

  test('can be given one by an onRoute hook, where a plugin of others declares them', async () => {
    const app = await instance()
    app.addHook('onRoute', (route) => {
      if (route.url === '/metrics') route.config = { ...route.config, spiffe: { allow: [API] } }
    })
    await app.register(authz)
    await app.register(async (metrics) => {
      metrics.get('/metrics', () => 'in')
    })
    expect(await statusOf(app, API, '/metrics')).toBe(200)
    expect(await statusOf(app, WEB, '/metrics')).toBe(403)
  })

  test('a thousand routes boot in a fraction of a second, and none is overlooked', async () => {
    const app = await instance()
    await app.register(authz)
    for (let route = 0; route < 1000; route++) {
      const config = route === 500 ? {} : { spiffe: OPEN }
      app.get(`/${route % 7}/group-${route % 31}/${route}/:id`, { config }, () => 'in')
    }
    const error = await bootError(Promise.resolve(app.ready()))
    expect(error.routes).toMatchObject([{ method: 'GET', url: '/3/group-4/500/:id' }])
  })
})

describe('requests that match no route', () => {
  async function withHandler(options: AuthzOptions): Promise<[FastifyInstance, string[]]> {
    const app = await instance({ exposeHeadRoutes: false })
    const ran: string[] = []
    await app.register(authz, options)
    app.get('/', { config: { spiffe: OPEN } }, () => 'in')
    app.setNotFoundHandler((request, reply) => {
      ran.push(request.url)
      return reply.code(404).send('custom')
    })
    return [app, ran]
  }

  test('are answered with 404 before a not-found handler runs', async () => {
    const [app, ran] = await withHandler({})
    for (const [method, url] of [
      ['GET', '/none'],
      ['OPTIONS', '/'],
      ['HEAD', '/'],
      ['DELETE', '/'],
    ] as const) {
      const response = await call(app, url, { method })
      expect([method, response.statusCode]).toEqual([method, 404])
      expect(response.body).not.toContain('custom')
    }
    expect(ran).toEqual([])
  })

  test('reach the not-found handler if its rule lets them', async () => {
    const [app, ran] = await withHandler({ notFound: { allow: [WEB] } })
    expect((await call(app, '/none')).statusCode).toBe(401)
    expect((await call(app, '/none', { as: API })).statusCode).toBe(403)
    expect(ran).toEqual([])
    expect((await call(app, '/none', { as: WEB })).body).toBe('custom')
    expect((await call(app, '/', { as: WEB, method: 'OPTIONS' })).body).toBe('custom')
    expect(ran).toEqual(['/none', '/'])
  })

  test('may be let to Fastify’s own 404 by a public rule', async () => {
    const app = await service(OPEN, { notFound: OPEN })
    expect((await call(app, '/none')).json()).toMatchObject({ statusCode: 404 })
  })

  test('a rule of the not-found handler may have a condition', async () => {
    const when = where(({ route, method }) => route === '' && method === 'GET', {
      reads: ['route', 'method'],
    })
    const [app] = await withHandler({ notFound: { anyAuthenticated: true, where: when } })
    expect((await call(app, '/none', { as: WEB })).body).toBe('custom')
    expect((await call(app, '/none', { as: WEB, method: 'PUT' })).statusCode).toBe(403)
  })

  test('a route that calls the not-found handler has passed its own rule', async () => {
    const [app, ran] = await withHandler({})
    app.get('/gone', { config: { spiffe: { allow: [WEB] } } }, (_request, reply) =>
      reply.callNotFound(),
    )
    expect((await call(app, '/gone', { as: API })).statusCode).toBe(403)
    expect(ran).toEqual([])
    expect((await call(app, '/gone', { as: WEB })).body).toBe('custom')
  })

  test('do not pass for the not-found handlers of prefixes either', async () => {
    const app = await instance()
    await app.register(authz)
    await app.register(
      async (child) => {
        child.setNotFoundHandler((_request, reply) => reply.code(404).send('custom'))
      },
      { prefix: '/child' },
    )
    expect((await call(app, '/child/none', { as: WEB })).body).not.toContain('custom')
  })
})

describe('conditions', () => {
  const inner = (when: Condition): RouteRule => ({ anyAuthenticated: true, where: when })

  test.each<[string, unknown, number, string]>([
    ['true', true, 200, 'allowed'],
    ['false', false, 403, 'condition-false'],
    ['1', 1, 403, 'condition-not-boolean'],
    ['"true"', 'true', 403, 'condition-not-boolean'],
    ['undefined', undefined, 403, 'condition-not-boolean'],
    ['null', null, 403, 'condition-not-boolean'],
    ['an object', { allow: true }, 403, 'condition-not-boolean'],
    ['new Boolean(true)', Object(true), 403, 'condition-not-boolean'],
  ])('%s decides, at once and later', async (_, answer, status, reason) => {
    for (const check of [() => answer as boolean, () => Promise.resolve(answer as boolean)]) {
      const app = await service(inner({ reads: [], check }))
      const reasons = await reasonsDuring(async () => expect(await statusOf(app, WEB)).toBe(status))
      expect(reasons).toEqual([reason])
    }
  })

  test('are asked after allow and deny, and not for callers without identity', async () => {
    let asked = 0
    const when = { reads: [], check: () => ++asked > 0 }
    const app = await service({ allow: [WEB, API], deny: [API], where: when })
    const statuses = [undefined, GLOBEX, API].map((id) => statusOf(app, id))
    expect(await Promise.all(statuses)).toEqual([401, 403, 403])
    expect(asked).toBe(0)
  })

  test.each<[string, Condition['check']]>([
    [
      'throws',
      () => {
        throw new Error('secret detail')
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret detail'))],
    ['reads what it did not declare', (attributes) => attributes.method === 'GET'],
  ])('a check that %s refuses, and is asked again', async (_, check) => {
    const app = await service(inner({ reads: [], check }))
    const reasons = await reasonsDuring(async () => {
      for (const response of [
        await call(app, '/', { as: WEB }),
        await call(app, '/', { as: WEB }),
      ]) {
        expect(response.statusCode).toBe(403)
        expect(response.body).not.toContain('secret')
      }
    })
    expect(reasons).toEqual(['condition-failed', 'condition-failed'])
    expect(app.authz.stats()).toMatchObject({ decisions: 0, evaluations: 2 })
  })

  test('a check that misses its deadline refuses, and its signal says so', async () => {
    const aborted: unknown[] = []
    const check: Condition['check'] = (_attributes, { signal }) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          aborted.push(signal.reason)
          resolve(true)
        })
      })
    for (const [options, timeoutMs] of [
      [{ timeoutMs: 5 }, undefined],
      [{}, 5],
    ] as const) {
      const when = { reads: [], check, ...(timeoutMs !== undefined && { timeoutMs }) }
      const app = await service(inner(when), options)
      const reasons = await reasonsDuring(async () => expect(await statusOf(app, WEB)).toBe(403))
      expect(reasons).toEqual(['condition-timeout'])
      expect(app.authz.stats().decisions).toBe(0)
    }
    expect(aborted).toEqual([
      expect.objectContaining({ name: 'TimeoutError' }),
      expect.objectContaining({ name: 'TimeoutError' }),
    ])
  })

  test('a caller whose SVID expires while the check runs is refused', async () => {
    const time = { now: Date.now() }
    const check = async (): Promise<boolean> => {
      time.now += 10 * 365 * 86_400_000
      return true
    }
    for (const age of [{}, { maxAgeMs: 0 }]) {
      const app = await service(inner({ reads: [], check, ...age }), { clock: () => time.now })
      const reasons = await reasonsDuring(async () => expect(await statusOf(app, WEB)).toBe(401))
      expect(reasons).toEqual(['identity-expired'])
      time.now = Date.now()
    }
  })

  test('receive every kind of attribute', async () => {
    const app = await instance({ trustProxy: false })
    await app.register(authz, { tenant: '/{tenant}/{workload}' })
    const seen: unknown[] = []
    const reads = [
      'method',
      'route',
      'ip',
      'spiffeId',
      'trustDomain',
      'tenant',
      'params.id',
      'headers.x-device',
      'headers.absent',
      'query.page',
      'captures.workload',
    ] as const
    const when = where((attributes) => seen.push({ ...attributes }) > 0, { reads })
    const allow = [API, 'spiffe://example.org/acme/*', 'spiffe://example.org/{tenant}/{workload}']
    app.put('/orders/:id', { config: { spiffe: { allow, where: when } } }, () => 'in')
    const headers = { 'x-device': 'd1', 'x-forwarded-for': '10.0.0.1' }
    expect(await statusOf(app, API, '/orders/a%2Fb?page=2', { method: 'PUT', headers })).toBe(200)
    const id = SpiffeId.parse(API)
    expect(seen).toEqual([
      {
        method: 'PUT',
        route: '/orders/:id',
        ip: '127.0.0.1',
        spiffeId: id,
        trustDomain: id.trustDomain,
        tenant: { trustDomain: id.trustDomain, name: 'acme' },
        'params.id': 'a/b',
        'headers.x-device': 'd1',
        'headers.absent': undefined,
        'query.page': '2',
        'captures.workload': 'api',
      },
    ])
  })

  test('a repeated query parameter is refused before the check', async () => {
    const when = where(() => true, { reads: ['query.tenant'] })
    const app = await service(inner(when))
    const reasons = await reasonsDuring(async () => {
      expect(await statusOf(app, WEB, '/?tenant=acme&tenant=globex')).toBe(403)
      expect(await statusOf(app, WEB, '/?tenant=acme')).toBe(200)
    })
    expect(reasons).toEqual(['ambiguous-attribute', 'allowed'])
  })

  test('names of the object prototype are absent, not inherited', async () => {
    // This parser makes objects that inherit, unlike Fastify's own.
    const querystringParser = (query: string) => Object.fromEntries(new URLSearchParams(query))
    const app = await instance({ routerOptions: { querystringParser } })
    await app.register(authz)
    const seen: unknown[] = []
    const reads = ['query.constructor', 'query.__proto__', 'headers.constructor'] as const
    const when = where((attributes) => seen.push(...Object.values(attributes)) > 0, { reads })
    app.get('/', { config: { spiffe: inner(when) } }, () => 'in')
    expect(await statusOf(app, WEB, '/?page=1')).toBe(200)
    expect(seen).toEqual([undefined, undefined, undefined])
  })

  test('a caller without the declared capture is refused before the check', async () => {
    const when = where((it) => it['captures.tenant'] === it['query.tenant'], {
      reads: ['captures.tenant', 'query.tenant'],
    })
    const app = await service({
      allow: ['spiffe://example.org/{tenant}/web', matchMemberOf('other.org')],
      where: when,
    })
    const reasons = await reasonsDuring(async () => {
      expect(await statusOf(app, FOREIGN)).toBe(403)
      expect(await statusOf(app, WEB, '/?tenant=acme')).toBe(200)
      expect(await statusOf(app, WEB, '/?tenant=globex')).toBe(403)
    })
    expect(reasons).toEqual(['no-capture', 'allowed', 'condition-false'])
  })
})

describe('remembered decisions', () => {
  /** `GET /:id` lets in as `check` says; tells how often it was asked. */
  async function counting(
    reads: Condition['reads'],
    check: Condition['check'],
    options: AuthzOptions = {},
    more: Partial<Condition> = {},
  ) {
    const app = await instance()
    await app.register(authz, options)
    const asked = { times: 0 }
    const when: Condition = {
      reads,
      check: (...given) => {
        asked.times++
        return check(...given)
      },
      ...more,
    }
    app.get('/:id', { config: { spiffe: { anyAuthenticated: true, where: when } } }, () => 'in')
    return { app, asked }
  }

  test('are used again for the same caller, route and attributes', async () => {
    const { app, asked } = await counting(['params.id'], async () => true)
    for (const url of ['/1', '/1', '/1?unread=2', '/2']) await call(app, url, { as: WEB })
    expect(asked.times).toBe(2)
    await call(app, '/1', { as: API })
    expect(asked.times).toBe(3)
    expect(app.authz.stats()).toEqual({
      tenants: 1,
      decisions: 3,
      hits: 2,
      misses: 3,
      evaluations: 3,
    })
  })

  test('are not used for another value of a declared attribute: a trusted device lets no other in', async () => {
    const { app } = await counting(
      ['headers.x-device'],
      async (it) => it['headers.x-device'] === 'trusted',
    )
    expect(await statusOf(app, WEB, '/1', { headers: { 'x-device': 'trusted' } })).toBe(200)
    expect(await statusOf(app, WEB, '/1', { headers: { 'x-device': 'unknown' } })).toBe(403)
    expect(await statusOf(app, WEB, '/1')).toBe(403)
  })

  test('cannot be reached by values that imitate the borders of a key', async () => {
    const { app } = await counting(
      ['query.a', 'query.b'],
      async (it) => it['query.a'] === 'a' && it['query.b'] === 'b$$c',
    )
    expect(await statusOf(app, WEB, '/1?a=a&b=b$$c')).toBe(200)
    for (const query of ['a=a$$b&b=c', 'a=a%00b&b=%00c', 'a=1:a4:b$$c&b=', 'a=a4:b$$c']) {
      expect(await statusOf(app, WEB, `/1?${query}`)).toBe(403)
    }
  })

  test('of one route are not those of another, nor of HEAD those of GET', async () => {
    const app = await instance()
    await app.register(authz)
    const config = (answer: boolean) => ({
      spiffe: { anyAuthenticated: true, where: { reads: [], check: async () => answer } } as const,
    })
    app.get('/yes', { config: config(true) }, () => 'in')
    app.get('/no', { config: config(false) }, () => 'in')
    const when = where(async ({ method }) => method === 'GET', { reads: ['method'] })
    app.route({
      method: ['GET', 'PUT'],
      url: '/get',
      config: { spiffe: { anyAuthenticated: true, where: when } },
      handler: () => 'in',
    })
    for (let round = 0; round < 2; round++) {
      expect(await statusOf(app, WEB, '/yes')).toBe(200)
      expect(await statusOf(app, WEB, '/no')).toBe(403)
      expect(await statusOf(app, WEB, '/get')).toBe(200)
      expect(await statusOf(app, WEB, '/get', { method: 'PUT' })).toBe(403)
    }
  })

  test('are not kept where the route says so', async () => {
    const { app, asked } = await counting([], async () => true, {}, { maxAgeMs: 0 })
    await call(app, '/1', { as: WEB })
    await call(app, '/1', { as: WEB })
    expect(asked.times).toBe(2)
    expect(app.authz.stats()).toMatchObject({ decisions: 0, misses: 0 })
  })

  test('end with their TTL by the clock of the plugin', async () => {
    const time = { now: Date.now() }
    const options = {
      clock: () => time.now,
      random: () => 0.5,
      cache: { allowTtlMs: 1000, denyTtlMs: 10 },
    }
    const { app, asked } = await counting(
      ['params.id'],
      async (it) => it['params.id'] === '1',
      options,
    )
    const both = async (): Promise<void> => {
      for (const url of ['/1', '/2']) await call(app, url, { as: WEB })
    }
    await both()
    time.now += 10
    await both()
    expect(asked.times).toBe(3)
    time.now += 990
    await both()
    expect(asked.times).toBe(5)
  })

  test('a thousand requests at once ask once', async () => {
    const gate: { open: (answer: boolean) => void } = { open: () => undefined }
    const answer = new Promise<boolean>((resolve) => {
      gate.open = resolve
    })
    const { app, asked } = await counting([], () => answer, { timeoutMs: 60_000 })
    await app.ready()
    const responses = Array.from({ length: 1000 }, () => statusOf(app, WEB, '/1'))
    while (app.authz.stats().misses < 1000) await new Promise(setImmediate)
    gate.open(true)
    expect(new Set(await Promise.all(responses))).toEqual(new Set([200]))
    expect(asked.times).toBe(1)
  })

  test('a tenant is forgotten by name, and the others remain', async () => {
    const { app, asked } = await counting([], async () => true, { tenant: '/{tenant}/{workload}' })
    const all = async (): Promise<number> => {
      for (const as of [WEB, API, GLOBEX, FOREIGN]) await call(app, '/1', { as })
      return asked.times
    }
    expect([await all(), await all()]).toEqual([4, 4])
    app.authz.invalidate({ trustDomain: 'example.org', name: 'acme' })
    expect(await all()).toBe(6)
    app.authz.invalidate({ trustDomain: SpiffeId.parse(FOREIGN).trustDomain, name: 'acme' })
    expect(await all()).toBe(7)
    app.authz.invalidate({ trustDomain: 'example.org', name: 'Acme' })
    expect(await all()).toBe(7)
    app.authz.invalidate()
    expect(await all()).toBe(11)
  })

  test('an invalidation while a request waits takes back the answer', async () => {
    const policy = { open: true }
    const { app, asked } = await counting([], async () => {
      const answer = policy.open
      if (asked.times === 1) {
        policy.open = false
        app.authz.invalidate()
      }
      return answer
    })
    expect(await statusOf(app, WEB, '/1')).toBe(403)
    expect(asked.times).toBe(2)
  })

  test('nobody is forgotten by a tenant that is none', async () => {
    const { app } = await counting([], async () => true)
    for (const tenant of [
      null,
      {},
      { trustDomain: 'example.org' },
      { trustDomain: 'example.org', name: '' },
      { trustDomain: 'example.org', name: 'a/b' },
      { trustDomain: 'example.org', name: '..' },
      { trustDomain: 'Example.org', name: 'acme' },
      { trustDomain: undefined, name: 'acme' },
    ]) {
      expect(() => app.authz.invalidate(tenant as Tenant)).toThrow(
        expect.objectContaining({ code: 'invalid-tenant' }),
      )
    }
  })
})

describe('tenants', () => {
  async function tenantOf(app: FastifyInstance, as?: string): Promise<unknown> {
    return (await call(app, '/tenant', { ...(as !== undefined && { as }) })).json()
  }

  async function withTenants(template: string): Promise<FastifyInstance> {
    const app = await instance()
    await app.register(authz, { tenant: template })
    app.get('/tenant', { config: { spiffe: OPEN } }, (request, reply) =>
      reply.send(JSON.stringify(request.tenant)),
    )
    return app
  }

  test('are a trust domain and a segment, byte for byte', async () => {
    const app = await withTenants('/{tenant}/{workload}')
    const tenants = []
    for (const path of [
      'team-b.staging/a',
      'team-b-staging/a',
      'team-b_staging/a',
      'Team-B.Staging/a',
      '__proto__/a',
      'constructor/a',
    ]) {
      tenants.push(await tenantOf(app, `spiffe://example.org/${path}`))
    }
    tenants.push(await tenantOf(app, 'spiffe://other.org/team-b-staging/a'))
    expect(tenants).toEqual([
      { trustDomain: 'example.org', name: 'team-b.staging' },
      { trustDomain: 'example.org', name: 'team-b-staging' },
      { trustDomain: 'example.org', name: 'team-b_staging' },
      { trustDomain: 'example.org', name: 'Team-B.Staging' },
      { trustDomain: 'example.org', name: '__proto__' },
      { trustDomain: 'example.org', name: 'constructor' },
      { trustDomain: 'other.org', name: 'team-b-staging' },
    ])
  })

  test('are nobody’s when the path does not match', async () => {
    const app = await withTenants('/ns/{tenant}/sa/{workload}')
    expect(await tenantOf(app, 'spiffe://example.org/ns/acme/sa/web')).toMatchObject({
      name: 'acme',
    })
    for (const id of [
      WEB,
      'spiffe://example.org',
      'spiffe://example.org/ns/acme/sa/web/x',
      'spiffe://example.org/NS/acme/sa/web',
    ]) {
      expect(await tenantOf(app, id)).toBeNull()
    }
    expect(await tenantOf(app)).toBeNull()
  })

  test('cannot be changed by a handler', async () => {
    const app = await withTenants('/{tenant}/{workload}')
    app.get('/set', { config: { spiffe: OPEN } }, (request) => ({
      set: Reflect.set(request, 'tenant', { name: 'globex' }),
      name: request.tenant && Reflect.set(request.tenant, 'name', 'globex'),
    }))
    expect((await call(app, '/set', { as: WEB })).json()).toEqual({ set: false, name: false })
  })

  test('a caller of no tenant is refused by a condition that reads it', async () => {
    const when = where((it) => it.tenant.name === it['query.t'], { reads: ['tenant', 'query.t'] })
    const app = await service(
      { anyAuthenticated: true, where: when },
      { tenant: '/{tenant}/{workload}' },
    )
    const reasons = await reasonsDuring(async () => {
      expect(await statusOf(app, 'spiffe://example.org/lonely', '/?t=lonely')).toBe(403)
      expect(await statusOf(app, WEB, '/?t=acme')).toBe(200)
      expect(await statusOf(app, WEB, '/?t=Acme')).toBe(403)
    })
    expect(reasons).toEqual(['no-tenant', 'allowed', 'condition-false'])
  })

  test('do not share decisions, however alike their names', async () => {
    const check = async (it: { tenant: Tenant }): Promise<boolean> =>
      it.tenant.name === 'team-b.staging' && it.tenant.trustDomain.name === 'example.org'
    const when = where(check, { reads: ['tenant'] })
    const app = await service(
      { anyAuthenticated: true, where: when },
      { tenant: '/{tenant}/{workload}' },
    )
    const ids = [
      'example.org/team-b.staging',
      'example.org/team-b-staging',
      'example.org/Team-B.staging',
      'other.org/team-b.staging',
    ]
    const statuses = []
    for (const id of [...ids, ...ids]) statuses.push(await statusOf(app, `spiffe://${id}/a`))
    expect(statuses).toEqual([200, 403, 403, 403, 200, 403, 403, 403])
  })

  test('do not exist without a template', async () => {
    const app = await service(OPEN)
    expect(app.hasRequestDecorator('tenant')).toBe(false)
  })
})

describe('what is reported', () => {
  interface LogLine {
    readonly level: number
    readonly msg?: string
    readonly statusCode?: number
    readonly reason?: string
    readonly route?: string
    readonly spiffeId?: string
    readonly err?: { message: string }
  }

  async function logged(
    rule: RouteRule,
    options: AuthzOptions = {},
  ): Promise<[FastifyInstance, LogLine[]]> {
    const lines: LogLine[] = []
    const stream = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }
    const app = await instance({ logger: { level: 'info', stream } })
    await app.register(authz, options)
    app.get('/:id', { config: { spiffe: rule } }, () => 'in')
    return [app, lines]
  }

  test('to the caller: the status and nothing else', async () => {
    const app = await service({ allow: [WEB] })
    const bodies = [
      await call(app, '/'),
      await call(app, '/', { as: API }),
      await call(app, '/secret-path'),
    ]
    expect(bodies.map((response) => response.json<unknown>())).toEqual([
      { statusCode: 401, code: 'unauthenticated', error: 'Unauthorized', message: 'Unauthorized' },
      { statusCode: 403, code: 'forbidden', error: 'Forbidden', message: 'Forbidden' },
      { statusCode: 404, code: 'not-found', error: 'Not Found', message: 'Not Found' },
    ])
  })

  test('to the error handler of the application: an error with code and status', async () => {
    const app = await instance()
    const errors: unknown[] = []
    app.setErrorHandler((error, _request, reply) => {
      errors.push(error)
      return reply.code(418).send('mine')
    })
    await app.register(authz)
    app.get('/', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
    expect((await call(app, '/', { as: API })).body).toBe('mine')
    expect(errors).toEqual([expect.any(AuthzError)])
    expect(errors).toEqual([expect.objectContaining({ code: 'forbidden', statusCode: 403 })])
  })

  test('to the log: why, where and for which caller', async () => {
    const [app, lines] = await logged({ allow: [WEB] })
    await call(app, '/1?token=secret', { as: API })
    const line = lines.find(({ reason }) => reason !== undefined)
    expect(line).toMatchObject({ level: 30, reason: 'not-allowed', route: '/:id', spiffeId: API })
    expect(JSON.stringify(line)).not.toContain('secret')
  })

  test('to the log: one line for each refusal, without a stack, whoever handles the error', async () => {
    for (const handler of [
      undefined,
      (error: unknown, _request: unknown, reply: FastifyReply) => reply.send(error),
      (_error: unknown, _request: unknown, reply: FastifyReply) => reply.code(418).send('mine'),
    ]) {
      const engine: Engine = { name: 'judge', cost: 'io', decide: () => true }
      const [app, lines] = await logged(
        { allow: [WEB], engines: [{ engine: 'judge', maxAgeMs: 0 }] },
        {
          tenant: '/{tenant}/{workload}',
          tenants: { maxEvaluationsPerSecond: 1 },
          engines: [engine],
        },
      )
      if (handler !== undefined) app.setErrorHandler(handler)
      await call(app, '/1')
      for (const [url, as] of [
        ['/1', API],
        ['/none/here', WEB],
        ['/1', WEB],
        ['/1', WEB],
      ] as const) {
        await call(app, url, { as })
      }
      const frame = ['incoming request', 'request completed']
      const refusals = lines.filter(({ msg = '' }) => !frame.includes(msg))
      expect(refusals.map(({ statusCode, level }) => [statusCode, level])).toEqual(
        [401, 403, 404, 429].map((status) => [status, 30]),
      )
      expect(lines).toHaveLength(5 * frame.length + refusals.length)
      expect(JSON.stringify(lines)).not.toContain('"stack"')
    }
  })

  test('to the log: what an error handler of the application says of a refusal', async () => {
    const [app, lines] = await logged({ allow: [WEB] })
    app.setErrorHandler((error, _request, reply) => {
      reply.log.info({ err: error }, 'mine')
      reply.log.warn('mine as well')
      return reply.send(error)
    })
    await call(app, '/1', { as: API })
    expect(lines.filter(({ msg }) => String(msg).startsWith('mine'))).toMatchObject([
      { level: 30, err: { code: 'forbidden', stack: 'AuthzError: Forbidden' } },
      { level: 40 },
    ])
  })

  test('to the log: a failing check as a warning, with its error', async () => {
    const check = (): boolean => {
      throw new Error('policy server is gone')
    }
    const [app, lines] = await logged({ allow: [WEB], where: { reads: [], check } })
    await call(app, '/1', { as: WEB })
    const line = lines.find(({ reason }) => reason !== undefined)
    expect(line).toMatchObject({
      level: 40,
      reason: 'condition-failed',
      err: { message: 'policy server is gone' },
    })
  })

  test('to subscribers: one frozen event for each decision, with the pattern and not the URL', async () => {
    const events: DecisionEvent[] = []
    const listen = (event: unknown): void => void events.push(event as DecisionEvent)
    subscribe('spiffe:authz:decision', listen)
    try {
      const when = where(async (it) => it['params.id'] === '1', { reads: ['params.id'] })
      const [app] = await logged({ anyAuthenticated: true, where: when })
      for (const [url, as] of [
        ['/1', WEB],
        ['/1', WEB],
        ['/2', API],
        ['/1', undefined],
        ['/a/b', WEB],
      ] as const) {
        await call(app, url, { ...(as !== undefined && { as }) })
      }
    } finally {
      unsubscribe('spiffe:authz:decision', listen)
    }
    const route = {
      engine: null,
      method: 'GET',
      mode: 'enforce',
      policyVersion: 'code',
      route: '/:id',
    }
    expect(events).toEqual([
      { decision: 'allow', reason: 'allowed', cached: false, ...route, spiffeId: WEB },
      { decision: 'allow', reason: 'allowed', cached: true, ...route, spiffeId: WEB },
      { decision: 'deny', reason: 'condition-false', cached: false, ...route, spiffeId: API },
      { decision: 'deny', reason: 'no-identity', cached: false, ...route, spiffeId: null },
      {
        decision: 'deny',
        reason: 'not-found',
        engine: null,
        mode: 'enforce',
        policyVersion: 'code',
        cached: false,
        method: 'GET',
        route: null,
        spiffeId: WEB,
      },
    ])
    expect(events.every((event) => Object.isFrozen(event))).toBe(true)
  })

  test('nothing is read of the body of a request that is refused', async () => {
    const app = await instance()
    const parsed: unknown[] = []
    app.addContentTypeParser('text/odd', { parseAs: 'string' }, (_request, body, done) => {
      parsed.push(body)
      done(null, body)
    })
    await app.register(authz)
    app.post('/', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
    const options = {
      method: 'POST',
      url: '/',
      headers: { 'content-type': 'text/odd' },
      payload: 'x',
    } as const
    expect((await injectAs(app, API, options)).statusCode).toBe(403)
    expect(parsed).toEqual([])
  })
})

describe('over a raw socket', () => {
  async function raw(app: FastifyInstance, lines: readonly string[]): Promise<string> {
    await app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = app.server.address() as AddressInfo
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write([...lines, 'Host: x', 'Connection: close', '', ''].join('\r\n'))
    return await text(socket)
  }

  /** The peer plugin listens on TLS only. Here a header says who calls, so that requests can be written by hand. */
  const peerByHeader = fastifyPlugin(async (it: FastifyInstance) => {
    it.decorateRequest('spiffeId', null)
    it.decorateRequest('peer', null)
    it.addHook('onRequest', async (request) => {
      const caller = request.headers['x-caller']
      if (typeof caller !== 'string') return
      const notAfter = Date.now() + 3_600_000
      const spiffeId = SpiffeId.parse(caller)
      Object.assign(request, { spiffeId, peer: { spiffeId, notAfter, serialNumber: '1' } })
    })
  })

  async function guarded(): Promise<[FastifyInstance, string[]]> {
    const app = Fastify()
    apps.push(app)
    const served: string[] = []
    await app.register(peerByHeader)
    const tenants = { trustDomain: 'example.org' }
    await app.register(authz, { tenant: '/{tenant}/{workload}', tenants })
    const handler = (request: { url: string }): string => {
      served.push(request.url)
      return 'in'
    }
    const when = where(async (it) => it.tenant.name === it['params.tenant'], {
      reads: ['tenant', 'params.tenant'],
    })
    app.get('/open/*', { config: { spiffe: OPEN } }, handler)
    app.get('/admin', { config: { spiffe: { allow: [API] } } }, handler)
    app.get(
      '/tenants/:tenant',
      { config: { spiffe: { anyAuthenticated: true, where: when } } },
      handler,
    )
    const own = { anyAuthenticated: true, tenant: 'params.tenant' } as const
    app.get('/own/:tenant', { config: { spiffe: own } }, handler)
    return [app, served]
  }

  test.each([
    ['dot segments reach the route that the router finds', '/open/../admin', 200],
    ['encoded dot segments too', '/open/%2e%2e/admin', 200],
    ['an encoded path is the route it decodes to', '/%61dmin', 401],
    ['an absolute URL is the route of its path', 'http://x/admin', 401],
    ['a doubled slash is no route', '//admin', 404],
    ['another case is no route', '/ADMIN', 404],
    ['a NUL is no route', '/admin%00', 404],
    ['a broken escape is no request', '/admin%zz', 400],
    ['a query does not matter', '/admin?x=/open/', 401],
  ])('%s', async (_, target, status) => {
    const [app, served] = await guarded()
    const response = await raw(app, [`GET ${target} HTTP/1.1`])
    expect(Number(response.split(' ')[1])).toBe(status)
    expect(served).toEqual(status === 200 ? [target] : [])
  })

  test.each([
    ['/tenants/acme', 200],
    ['/tenants/%61cme', 200],
    ['/tenants/acme%2Fx', 403],
    ['/tenants/acme%00', 403],
    ['/tenants/..%2Facme', 403],
    ['/tenants/ACME', 403],
    ['/tenants/__proto__', 403],
  ])(
    'a decoded parameter is compared, and remembered, byte for byte: %s',
    async (target, status) => {
      const [app] = await guarded()
      const first = await app.inject({ url: '/tenants/acme', headers: { 'x-caller': WEB } })
      expect(first.statusCode).toBe(200)
      const response = await raw(app, [`GET ${target} HTTP/1.1`, `X-Caller: ${WEB}`])
      expect(Number(response.split(' ')[1])).toBe(status)
    },
  )

  test.each([
    ['/own/acme', 200],
    ['/own/%61cme', 200],
    ['/own/acme%2Fx', 403],
    ['/own/acme%2F..%2Fglobex', 403],
    ['/own/globex/../acme', 404],
    ['/own/ACME', 403],
    ['/own/acme%00', 403],
    ['/own/constructor', 403],
  ])('a tenant of the path is that of the caller, byte for byte: %s', async (target, status) => {
    const [app] = await guarded()
    const response = await raw(app, [`GET ${target} HTTP/1.1`, `X-Caller: ${WEB}`])
    expect(Number(response.split(' ')[1])).toBe(status)
  })

  test.each(['OPTIONS * HTTP/1.1', 'OPTIONS /admin HTTP/1.1', 'TRACE /admin HTTP/1.1'])(
    '%s runs nothing',
    async (line) => {
      const [app, served] = await guarded()
      expect(Number((await raw(app, [line])).split(' ')[1])).toBeGreaterThanOrEqual(400)
      expect(served).toEqual([])
    },
  )
})
