// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
import { once } from 'node:events'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance, type HTTPMethods } from 'fastify'
import {
  authz,
  type AuthzOptions,
  type Comparison,
  type DecisionEvent,
  type PolicyDocument,
  type PolicyEvent,
  protect,
  type RouteRule,
} from '../index.ts'
import { eventsDuring } from '../events.test.helper.ts'

const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'
const GLOBEX = 'spiffe://example.org/globex/web'
const OPEN: RouteRule = { public: { reason: 'a test' } }

const apps: FastifyInstance[] = []
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'authz-policy-'))
})
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
  await rm(folder, { recursive: true })
})

/** An application whose routes are declared by `declare`. */
async function application(
  options: AuthzOptions,
  declare: (app: FastifyInstance) => unknown,
  log?: PassThrough,
): Promise<FastifyInstance> {
  const app = Fastify(log === undefined ? {} : { logger: { stream: log, level: 'error' } })
  apps.push(app)
  await app.register(peer)
  await app.register(authz, options)
  await declare(app)
  return app
}

const handler = (): string => 'in'

/** `GET /orders/:id`, whose rule is in the document. */
const orders = (app: FastifyInstance): unknown => app.get('/orders/:id', handler)
const ordersFor = (rule: RouteRule | string, more: PolicyDocument = {}): PolicyDocument => ({
  ...more,
  routes: { 'GET /orders/:id': rule },
})

const statusOf = async (
  app: FastifyInstance,
  as: string | null,
  url = '/orders/7',
  method: HTTPMethods = 'GET',
): Promise<number> => (await injectAs(app, as, { method, url })).statusCode

async function statuses(app: FastifyInstance, ...callers: (string | null)[]): Promise<number[]> {
  const found: number[] = []
  for (const caller of callers) found.push(await statusOf(app, caller))
  return found
}

async function write(document: unknown): Promise<string> {
  const file = join(folder, 'policy.json')
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  await writeFile(`${file}.next`, text)
  await rename(`${file}.next`, file)
  return file
}

describe('the rule of a route', () => {
  test('can stand in the document, by method and pattern', async () => {
    const policy = {
      routes: { 'GET /orders/:id': { allow: [WEB] }, 'PUT /orders/:id': { allow: [API] } },
    }
    const app = await application({ policy }, (it) =>
      it.route({ method: ['GET', 'PUT'], url: '/orders/:id', handler }),
    )
    expect(await statuses(app, WEB, API, null)).toEqual([200, 403, 401])
    expect(await statusOf(app, WEB, '/orders/7', 'PUT')).toBe(403)
    expect(await statusOf(app, API, '/orders/7', 'PUT')).toBe(200)
    expect(await statusOf(app, WEB, '/orders/7', 'HEAD')).toBe(200)
    expect(await statusOf(app, API, '/orders/7', 'HEAD')).toBe(403)
  })

  test('can be a policy that several routes share, named in the document or in the code', async () => {
    const policy = ordersFor('readers', { policies: { readers: { allow: [WEB] } } })
    const app = await application({ policy }, (it) => {
      orders(it)
      it.get('/invoices', { config: { spiffe: 'readers' } }, handler)
    })
    expect(await statuses(app, WEB, API)).toEqual([200, 403])
    expect([await statusOf(app, WEB, '/invoices'), await statusOf(app, API, '/invoices')]).toEqual([
      200, 403,
    ])
  })

  test('can name roles, alone or beside single callers', async () => {
    const roles = {
      reader: [WEB, 'spiffe://example.org/ops/*'],
      writer: [{ memberOf: 'other.org' }],
    }
    const rule = {
      roles: ['reader', 'writer'],
      allow: [API],
      deny: ['spiffe://example.org/ops/old'],
    }
    const app = await application({ policy: ordersFor(rule, { roles }) }, orders)
    const callers = ['ops/new', 'ops/old', 'globex/web'].map(
      (path) => `spiffe://example.org/${path}`,
    )
    expect(await statuses(app, WEB, API, 'spiffe://other.org/x', ...callers)).toEqual([
      200, 200, 200, 200, 403, 403,
    ])
  })

  test('comes from the longest prefix where the route has none, by whole segments', async () => {
    const policy: PolicyDocument = {
      prefixes: {
        '/': { allow: [API] },
        '/admin': { allow: [WEB] },
        '/admin/keys': { allow: [GLOBEX] },
      },
    }
    const urls = ['/', '/admin', '/admin/users', '/admin/keys/1', '/administration']
    const app = await application({ policy }, (it) => urls.map((url) => it.get(url, handler)))
    const found = new Map<string, string[]>()
    for (const url of urls) {
      const let_in = []
      for (const [name, caller] of Object.entries({ WEB, API, GLOBEX })) {
        if ((await statusOf(app, caller, url)) === 200) let_in.push(name)
      }
      found.set(url, let_in)
    }
    expect(Object.fromEntries(found)).toEqual({
      '/': ['API'],
      '/admin': ['WEB'],
      '/admin/users': ['WEB'],
      '/admin/keys/1': ['GLOBEX'],
      '/administration': ['API'],
    })
  })

  test('comes from the instance that it is declared on, or from one around', async () => {
    const app = await application({}, async (it) => {
      await it.register(
        async (admin) => {
          protect(admin, { allow: [WEB] })
          admin.get('/users', handler)
          admin.get('/own', { config: { spiffe: { allow: [API] } } }, handler)
          await admin.register(async (deeper) => deeper.get('/keys', handler), { prefix: '/deep' })
          await admin.register(
            async (other) => {
              protect(other, { allow: [GLOBEX] })
              other.get('/', handler)
            },
            { prefix: '/other' },
          )
        },
        { prefix: '/admin' },
      )
      it.get('/', { config: { spiffe: OPEN } }, handler)
    })
    expect(await statusOf(app, WEB, '/admin/users')).toBe(200)
    expect(await statusOf(app, API, '/admin/users')).toBe(403)
    expect(await statusOf(app, WEB, '/admin/own')).toBe(403)
    expect(await statusOf(app, API, '/admin/own')).toBe(200)
    expect(await statusOf(app, WEB, '/admin/deep/keys')).toBe(200)
    expect(await statusOf(app, WEB, '/admin/other')).toBe(403)
    expect(await statusOf(app, GLOBEX, '/admin/other')).toBe(200)
  })

  test('an instance beside a protected one is not covered by it', async () => {
    const booting = application({}, async (it) => {
      await it.register(async (admin) => {
        protect(admin, { allow: [WEB] })
        admin.get('/users', handler)
      })
      it.get('/elsewhere', handler)
    }).then((app) => app.ready())
    await expect(booting).rejects.toMatchObject({
      code: 'uncovered-routes',
      routes: [expect.objectContaining({ method: 'GET', url: '/elsewhere' })],
    })
  })

  test('is replaced by a nearer one, but what an outer one denies stays denied', async () => {
    const policy: PolicyDocument = { prefixes: { '/': { anyAuthenticated: true, deny: [GLOBEX] } } }
    const app = await application({ policy }, async (it) => {
      await it.register(async (admin) => {
        protect(admin, { anyAuthenticated: true, deny: [API] })
        admin.get('/orders/:id', { config: { spiffe: { anyAuthenticated: true } } }, handler)
        admin.get('/open', { config: { spiffe: OPEN } }, handler)
      })
    })
    expect(await statuses(app, WEB, API, GLOBEX)).toEqual([200, 403, 403])
    expect(await statusOf(app, API, '/open')).toBe(403)
    expect(await statusOf(app, null, '/open')).toBe(200)
  })
})

describe('a matcher as plain data', () => {
  test.each<[string, unknown, string[]]>([
    ['memberOf', { memberOf: 'other.org' }, ['other']],
    ['oneOf', { oneOf: [WEB, API] }, ['web', 'api']],
    ['or', { or: [API, { memberOf: 'other.org' }] }, ['api', 'other']],
    ['and with not', { and: ['spiffe://example.org/acme/*', { not: API }] }, ['web']],
  ])('%s', async (_, matcher, allowed) => {
    const policy = JSON.parse(JSON.stringify(ordersFor({ allow: [matcher as string] })))
    const app = await application({ policy }, orders)
    const callers = { web: WEB, api: API, globex: GLOBEX, other: 'spiffe://other.org/web' }
    const found = await statuses(app, ...Object.values(callers))
    expect(Object.keys(callers).filter((_name, at) => found[at] === 200)).toEqual(allowed)
  })
})

describe('a condition as plain data', () => {
  test.each<[string, Comparison, string, number]>([
    ['equals a text', { attribute: 'params.id', equals: '7' }, '/orders/7', 200],
    ['equals another text', { attribute: 'params.id', equals: '8' }, '/orders/7', 403],
    [
      'equals another attribute',
      { attribute: 'params.id', equals: { attribute: 'tenant' } },
      '/orders/acme',
      200,
    ],
    [
      'differs from another attribute',
      { attribute: 'params.id', equals: { attribute: 'tenant' } },
      '/orders/Acme',
      403,
    ],
    [
      'is absent, like another',
      { attribute: 'query.a', equals: { attribute: 'query.b' } },
      '/orders/7',
      403,
    ],
    ['is one of some', { attribute: 'method', in: ['GET', 'HEAD'] }, '/orders/7', 200],
    ['is none of some', { attribute: 'method', in: [] }, '/orders/7', 403],
    ['is an absent one of some', { attribute: 'query.a', in: ['undefined'] }, '/orders/7', 403],
    ['is present', { attribute: 'query.a', present: true }, '/orders/7?a=', 200],
    ['is not present', { attribute: 'query.a', present: true }, '/orders/7', 403],
    ['is absent', { attribute: 'query.a', present: false }, '/orders/7', 200],
    ['not', { not: { attribute: 'params.id', equals: '7' } }, '/orders/7', 403],
    [
      'all',
      {
        all: [
          { attribute: 'method', equals: 'GET' },
          { attribute: 'params.id', equals: '8' },
        ],
      },
      '/orders/7',
      403,
    ],
    [
      'any',
      {
        any: [
          { attribute: 'method', equals: 'PUT' },
          { attribute: 'params.id', equals: '7' },
        ],
      },
      '/orders/7',
      200,
    ],
    ['a SPIFFE ID', { attribute: 'spiffeId', equals: WEB }, '/orders/7', 200],
    ['a trust domain', { attribute: 'trustDomain', in: ['example.org'] }, '/orders/7', 200],
  ])('%s', async (_, where, url, status) => {
    const policy = JSON.parse(JSON.stringify(ordersFor({ anyAuthenticated: true, where })))
    const app = await application({ policy, tenant: '/{tenant}/{workload}' }, orders)
    expect(await statusOf(app, WEB, url)).toBe(status)
  })
})

describe('a document with a mistake', () => {
  test.each<[string, unknown, string]>([
    ['an unknown section', { rules: {} }, 'policy.rules'],
    ['a list for a section', { routes: [] }, 'routes'],
    ['a role that is no list', { roles: { reader: WEB } }, 'roles["reader"]'],
    ['a caller that is none', { roles: { reader: ['web'] } }, 'roles["reader"][0]'],
    ['a rule of nothing', ordersFor({}), 'routes["GET /orders/:id"]'],
    ['a rule that lets nobody in', ordersFor({ roles: [] }), 'routes["GET /orders/:id"].roles'],
    [
      'a role that there is not',
      ordersFor({ roles: ['constructor'] }),
      'routes["GET /orders/:id"].roles[0]',
    ],
    ['a policy that there is not', ordersFor('toString'), 'routes["GET /orders/:id"]'],
    [
      'a mistake in a shared policy',
      ordersFor('shared', { policies: { shared: { allow: ['x'] } } }),
      'policies["shared"].allow[0]',
    ],
    [
      'a matcher with two keys',
      ordersFor({ allow: [{ memberOf: 'example.org', oneOf: [] }] }),
      'routes["GET /orders/:id"].allow[0]',
    ],
    [
      'a matcher within that is none',
      ordersFor({ allow: [{ and: [WEB, { memberOf: 'UPPER' }] }] }),
      'routes["GET /orders/:id"].allow[0].and[1].memberOf',
    ],
    [
      'an attribute that there is not',
      ordersFor({ allow: [WEB], where: { attribute: 'body.x' as never, equals: '' } }),
      'routes["GET /orders/:id"].where.reads[0]',
    ],
    [
      'a parameter that the route has not',
      ordersFor({ allow: [WEB], where: { attribute: 'params.name', equals: '' } }),
      'routes["GET /orders/:id"].where.reads[0]',
    ],
    [
      'a comparison with a number',
      ordersFor({ allow: [WEB], where: { all: [{ attribute: 'ip', equals: 7 as never }] } }),
      'routes["GET /orders/:id"].where.all[0].equals',
    ],
    ['a prefix without slash', { prefixes: { admin: OPEN } }, 'prefixes'],
    ['a version with a space', { version: 'v 1' }, 'version'],
    ['a test without route', { tests: [{ as: null, expect: 'deny' }] }, 'tests[0].route'],
    [
      'a test as nobody in particular',
      { tests: [{ route: 'GET /', as: 'web', expect: 'deny' }] },
      'tests[0].as',
    ],
  ])('%s does not boot, and says where', async (_, policy, key) => {
    const file = await write({ ...ordersFor({ allow: [WEB] }), ...(policy as PolicyDocument) })
    const booting = application({ policy: { file } }, orders).then((app) => app.ready())
    await expect(booting).rejects.toMatchObject({ code: 'invalid-rule' })
    await expect(booting).rejects.toThrow(`${key}: `)
    await expect(booting).rejects.toThrow(file)
  })

  test('a route that there is not does not boot', async () => {
    const policy = { routes: { 'GET /orders/:id': OPEN, 'GET /order/:id': OPEN } }
    const booting = application({ policy }, orders).then((app) => app.ready())
    await expect(booting).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test('a rule for a route that has one in the code does not boot', async () => {
    const booting = application({ policy: ordersFor(OPEN) }, (app) =>
      app.get('/orders/:id', { config: { spiffe: OPEN } }, handler),
    )
    await expect(booting).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test.each<[string, (app: FastifyInstance) => unknown]>([
    ['own', (app) => app.get('/', { config: { spiffe: OPEN } }, handler)],
    [
      'inner',
      (app) => app.register(async (inner) => inner.get('/', { config: { spiffe: OPEN } }, handler)),
    ],
  ])('an instance that is protected after its %s routes does not boot', async (_, declare) => {
    const booting = application({}, async (app) => {
      await declare(app)
      protect(app, { allow: [WEB] })
    })
    await expect(booting).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test('an instance that is protected twice does not boot', async () => {
    const booting = application({}, (app) => {
      protect(app, OPEN)
      protect(app, OPEN)
    })
    await expect(booting).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test.each([
    ['no JSON', '{'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ])('a file that is %s does not boot', async (_, content) => {
    const file = join(folder, 'policy.json')
    await writeFile(file, content)
    await expect(application({ policy: { file } }, orders)).rejects.toMatchObject({
      code: 'invalid-policy',
    })
  })

  test('a file that is not there does not boot', async () => {
    const file = join(folder, 'nothing.json')
    await expect(application({ policy: { file } }, orders)).rejects.toMatchObject({
      code: 'invalid-policy',
    })
  })
})

describe('the tests of a document', () => {
  const document = ordersFor(
    { allow: [WEB, API], where: { attribute: 'params.id', equals: { attribute: 'tenant' } } },
    {
      tests: [
        { route: 'GET /orders/:id', as: WEB, attributes: { 'params.id': 'acme' }, expect: 'allow' },
        { route: 'GET /orders/:id', as: WEB, attributes: { 'params.id': 'x' }, expect: 'deny' },
        { route: 'GET /orders/:id', as: WEB, expect: 'deny' },
        {
          route: 'GET /orders/:id',
          as: GLOBEX,
          attributes: { 'params.id': 'globex' },
          expect: 'deny',
        },
        { route: 'GET /orders/:id', as: null, expect: 'deny' },
      ],
    },
  )
  const options = { tenant: '/{tenant}/{workload}' }

  test('that come out as they should let it boot', async () => {
    const app = await application({ ...options, policy: document }, orders)
    await expect(app.ready()).resolves.toBeDefined()
  })

  test.each([0, 1, 2, 3, 4])('that come out otherwise (%i) do not', async (position) => {
    const tests = document.tests?.map((it, at) =>
      at === position ? ({ ...it, expect: it.expect === 'allow' ? 'deny' : 'allow' } as const) : it,
    )
    const app = await application(
      { ...options, policy: { ...document, ...(tests && { tests }) } },
      orders,
    )
    await expect(app.ready()).rejects.toMatchObject({ code: 'policy-test-failed' })
    apps.splice(0)
  })
})

test('a test of a document that gives an attribute which its rule does not read fails', async () => {
  const policy = ordersFor(
    { anyAuthenticated: true, where: { attribute: 'params.id', equals: 'acme' } },
    {
      tests: [
        { route: 'GET /orders/:id', as: WEB, attributes: { 'param.id': 'acme' }, expect: 'deny' },
      ],
    },
  )
  const app = await application({ policy }, orders)
  await expect(app.ready()).rejects.toMatchObject({
    code: 'policy-test-failed',
    message: expect.stringContaining('"param.id"'),
  })
  apps.splice(0)
})

test.each([
  ['only an engine reads, which is not asked', 'query.a'],
  ['follows from the caller', 'tenant'],
  ['follows from the route', 'method'],
])('a test of a document that gives an attribute which %s fails', async (_, name) => {
  const engine = { name: 'judge', cost: 'io', decide: () => true, reads: ['query.a'] } as const
  const rule: RouteRule = {
    allow: [WEB],
    where: [
      { attribute: 'params.id', equals: { attribute: 'tenant' } },
      { attribute: 'method', equals: 'GET' },
    ],
    engines: ['judge'],
  }
  const policy = ordersFor(rule, {
    tests: [{ route: 'GET /orders/:id', as: WEB, attributes: { [name]: 'x' }, expect: 'deny' }],
  })
  const options = { tenant: '/{tenant}/{workload}', engines: [engine], policy }
  const booting = application(options, orders).then((app) => app.ready())
  await expect(booting).rejects.toMatchObject({
    code: 'policy-test-failed',
    message: expect.stringContaining(`"${name}"`),
  })
  apps.splice(0)
})

test.each([
  ['allow', true],
  ['deny', false],
] as const)(
  'a test of a document speaks of what is enforced: in shadow mode %s passes: %s',
  async (expected, passes) => {
    const policy = ordersFor(
      { allow: [API], mode: 'shadow' },
      { tests: [{ route: 'GET /orders/:id', as: WEB, expect: expected }] },
    )
    const app = await application({ policy }, orders)
    const code = app.ready().then(
      () => null,
      (error: unknown) => (error as { code: string }).code,
    )
    expect(await code).toBe(passes ? null : 'policy-test-failed')
    if (!passes) apps.splice(0)
  },
)

test.each(['allow', 'deny'] as const)(
  'a test of a document must come out as %s for each of the routes that a constraint alone tells apart',
  async (expected) => {
    const policy: PolicyDocument = {
      routes: { 'GET /': { anyAuthenticated: true } },
      tests: [{ route: 'GET /', as: API, expect: expected }],
    }
    const app = await application({ policy }, (it) => {
      it.get('/', { constraints: { host: 'a.test' } }, handler)
      it.register(async (inner) => {
        protect(inner, { anyAuthenticated: true, deny: [API] })
        inner.get('/', { constraints: { host: 'b.test' } }, handler)
      })
    })
    await expect(app.ready()).rejects.toMatchObject({ code: 'policy-test-failed' })
    apps.splice(0)
  },
)

describe('a reload', () => {
  test('puts another document in force at once, with its version on every decision', async () => {
    const app = await application(
      { policy: ordersFor({ allow: [WEB] }, { version: 'v1' }) },
      orders,
    )
    await app.ready()
    const decisions = await eventsDuring<DecisionEvent>('spiffe:authz:decision', async () => {
      expect(await statuses(app, WEB, API)).toEqual([200, 403])
      expect(await app.authz.reload(ordersFor({ allow: [API] }, { version: 'v2' }))).toBe('v2')
      expect(await statuses(app, WEB, API)).toEqual([403, 200])
    })
    expect(decisions.map((it) => it.policyVersion)).toEqual(['v1', 'v1', 'v2', 'v2'])
    expect(app.authz.policyVersion).toBe('v2')
  })

  test.each<[string, PolicyDocument, string]>([
    ['that is wrong', ordersFor({ allow: ['x'] }), 'invalid-rule'],
    ['that leaves a route without a rule', {}, 'uncovered-routes'],
    [
      'that fails its own test',
      ordersFor(OPEN, { tests: [{ route: 'GET /orders/:id', as: null, expect: 'deny' }] }),
      'policy-test-failed',
    ],
  ])('with a document %s leaves the last good one in force', async (_, next, code) => {
    const app = await application(
      { policy: ordersFor({ allow: [WEB] }, { version: 'v1' }) },
      orders,
    )
    await app.ready()
    const events = await eventsDuring<PolicyEvent>('spiffe:authz:policy', async () => {
      await expect(app.authz.reload(next)).rejects.toMatchObject({ code })
    })
    expect(events).toEqual([{ version: 'v1', code }])
    expect(await statuses(app, WEB, API)).toEqual([200, 403])
    await app.authz.reload(ordersFor({ allow: [API] }))
    expect(await statuses(app, WEB, API)).toEqual([403, 200])
  })

  test('decides a request that waits for an answer once more, by the new rules', async () => {
    const answers: ((answer: boolean) => void)[] = []
    const asked = { times: 0, once: Promise.resolve() }
    const engine = {
      name: 'slow',
      cost: 'io',
      decide: () => {
        asked.times++
        return new Promise<boolean>((resolve) => answers.push(resolve))
      },
    } as const
    const rule: RouteRule = { allow: [WEB], engines: ['slow'] }
    const app = await application({ engines: [engine], policy: ordersFor(rule) }, orders)
    await app.ready()
    const answer = statusOf(app, WEB)
    while (asked.times === 0) await new Promise(setImmediate)
    await app.authz.reload(ordersFor({ allow: [API] }))
    answers[0]?.(true)
    expect(await answer).toBe(403)
  })

  test('of a file that was replaced happens by itself where it is watched', async () => {
    const file = await write(ordersFor({ allow: [WEB] }, { version: 'v1' }))
    const app = await application({ policy: { file, watch: true } }, orders)
    await app.ready()
    const changed = new Promise<unknown>((resolve) => {
      const listen = (event: unknown): void => {
        unsubscribe('spiffe:authz:policy', listen)
        resolve(event)
      }
      subscribe('spiffe:authz:policy', listen)
    })
    await write(ordersFor({ allow: [API] }, { version: 'v2' }))
    expect(await changed).toEqual({ version: 'v2', code: null })
    expect(await statuses(app, WEB, API)).toEqual([403, 200])
  })

  test('of a bad file is logged, and the last good one stays', async () => {
    const log = new PassThrough()
    const file = await write(ordersFor({ allow: [WEB] }, { version: 'v1' }))
    const app = await application({ policy: { file, watch: true } }, orders, log)
    await app.ready()
    const line = once(log, 'data')
    await write('{')
    expect(JSON.parse(String((await line)[0]))).toMatchObject({
      err: { code: 'invalid-policy' },
      policyVersion: 'v1',
    })
    expect(await statuses(app, WEB, API)).toEqual([200, 403])
  })

  test('by hand reads the file, and does nothing when it holds the same', async () => {
    const file = await write(ordersFor({ allow: [WEB] }))
    const app = await application({ policy: { file } }, orders)
    await app.ready()
    const events = await eventsDuring<PolicyEvent>('spiffe:authz:policy', () => app.authz.reload())
    expect(events).toEqual([])
    await write(ordersFor({ allow: [API] }))
    await app.authz.reload()
    expect(await statuses(app, WEB, API)).toEqual([403, 200])
  })

  test('before the application is ready, or without a document, is refused', async () => {
    const app = await application({ policy: ordersFor({ allow: [WEB] }) }, orders)
    await expect(app.authz.reload(ordersFor(OPEN))).rejects.toMatchObject({
      code: 'invalid-policy',
    })
    await app.ready()
    await expect(app.authz.reload()).rejects.toMatchObject({ code: 'invalid-policy' })
  })

  test('nothing remembered under the former document is used', async () => {
    let answer = true
    const engine = { name: 'judge', cost: 'io', decide: async () => answer } as const
    const rule: RouteRule = { allow: [WEB], engines: ['judge'] }
    const app = await application({ engines: [engine], policy: ordersFor(rule) }, orders)
    expect(await statuses(app, WEB, WEB)).toEqual([200, 200])
    answer = false
    await app.authz.reload(ordersFor({ ...rule, deny: [API] }))
    expect(await statuses(app, WEB)).toEqual([403])
  })
})

test('a document that nests without end is refused, and not a crash', async () => {
  const app = await application({ policy: ordersFor(OPEN) }, orders)
  await app.ready()
  const document: PolicyDocument = JSON.parse(
    `{"routes":${'{"not":'.repeat(50_000)}1${'}'.repeat(50_000)}}`,
  )
  await expect(app.authz.reload(document)).rejects.toMatchObject({ code: 'invalid-rule' })
  const circular: Record<string, unknown> = {}
  circular['routes'] = { 'GET /orders/:id': circular }
  await expect(app.authz.reload(circular)).rejects.toMatchObject({ code: 'invalid-rule' })
})
