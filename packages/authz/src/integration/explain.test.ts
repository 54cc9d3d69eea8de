// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { matchMemberOf, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  authz,
  type AuthzOptions,
  type CandidateEvent,
  type DecisionEvent,
  diffTables,
  type Engine,
  type Explanation,
  type PolicyDocument,
  type RouteRule,
  type RouteTable,
  toMarkdown,
  toOpenApi,
  where,
} from '../index.ts'
import { eventsDuring } from '../events.test.helper.ts'

const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

async function application(
  options: AuthzOptions,
  declare: (app: FastifyInstance) => unknown,
): Promise<FastifyInstance> {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  await app.register(authz, options)
  await declare(app)
  await app.ready()
  return app
}

const handler = (): string => 'in'
const policyOf = (rule: PolicyDocument['routes'] & object, version = 'v1'): PolicyDocument => ({
  version,
  routes: rule,
})
const statusOf = async (app: FastifyInstance, as: string | null, url: string): Promise<number> =>
  (await injectAs(app, as, url)).statusCode

const about = (spiffeId: string | null, id = '7') => ({
  method: 'GET',
  route: '/orders/:id',
  spiffeId,
  attributes: { 'params.id': id },
})

describe('an explanation', () => {
  const asked: string[] = []
  const engine = (name: string, answer: boolean): Engine => ({
    name,
    cost: 'cpu',
    decide: () => asked.push(name) > 0 && answer,
  })
  const service = (): Promise<FastifyInstance> =>
    application({ engines: [engine('yes', true), engine('no', false)] }, (app) =>
      app.get(
        '/orders/:id',
        {
          config: {
            spiffe: {
              allow: [WEB, 'spiffe://example.org/ops/*'],
              deny: [matchMemberOf('other.org')],
              where: where((it) => it['params.id'] === '7', { reads: ['params.id'] }),
              engines: ['yes', 'no', 'yes'],
            },
          },
        },
        async (request) => app.authz.explain(request),
      ),
    )

  test('tells of every check what came of it, and which decided', async () => {
    const app = await service()
    expect(await app.authz.explain(about(WEB))).toEqual({
      decision: 'deny',
      reason: 'engine-denied',
      policyVersion: 'code',
      mode: 'enforce',
      chain: null,
      source: 'GET /orders/:id: config.spiffe',
      findings: [
        { check: 'deny[0]', what: "matchMemberOf('other.org')", outcome: 'does-not-match' },
        { check: 'allow[0]', what: WEB, outcome: 'matches' },
        {
          check: 'allow[1]',
          what: "matchPattern('spiffe://example.org/ops/*')",
          outcome: 'does-not-match',
        },
        { check: 'where[0]', what: 'params.id', outcome: 'holds' },
        { check: 'engines[0]', what: 'yes', outcome: 'holds' },
        { check: 'engines[1]', what: 'no', outcome: 'does-not-hold', reason: 'engine-denied' },
        { check: 'engines[2]', what: 'yes', outcome: 'not-asked' },
      ],
    } satisfies Explanation)
  })

  test.each([
    ['nobody', null, '7', 'no-identity'],
    ['whom the rule denies', 'spiffe://other.org/x', '7', 'denied'],
    ['whom the rule does not name', API, '7', 'not-allowed'],
    ['for whom the condition does not hold', WEB, '8', 'condition-false'],
  ])('of a request of %s asks no engine', async (_, caller, id, reason) => {
    const app = await service()
    asked.length = 0
    const explanation = await app.authz.explain(about(caller, id))
    expect(explanation).toMatchObject({ decision: 'deny', reason })
    expect(asked).toEqual([])
  })

  test('of a route that there is not says so', async () => {
    const app = await service()
    const explanation = await app.authz.explain({ method: 'PUT', route: '/x', spiffeId: WEB })
    expect(explanation).toMatchObject({ reason: 'no-rule', source: null, findings: [] })
  })

  test('of a method and pattern that several routes have is refused: it could tell of the wrong one', async () => {
    const app = await application({}, (it) => {
      for (const host of ['a.test', 'b.test']) {
        const config = { spiffe: { allow: [host === 'a.test' ? WEB : API] } }
        it.get('/', { constraints: { host }, config }, handler)
      }
    })
    const explaining = app.authz.explain({ method: 'GET', route: '/', spiffeId: API })
    await expect(explaining).rejects.toMatchObject({ code: 'ambiguous-route' })
  })

  test('of a real request reads the request, and agrees with what became of it', async () => {
    const rule = {
      allow: [WEB],
      where: where((it) => it['params.id'] === '7', { reads: ['params.id'] }),
    }
    const app = await application({}, (it) =>
      it.get('/orders/:id', { config: { spiffe: rule } }, (request) => it.authz.explain(request)),
    )
    const { statusCode, body } = await injectAs(app, WEB, '/orders/7')
    expect(statusCode).toBe(200)
    expect(JSON.parse(body)).toMatchObject({ decision: 'allow', reason: 'allowed' })
  })

  test('takes nothing from the cache and puts nothing there', async () => {
    const app = await service()
    asked.length = 0
    for (let round = 0; round < 2; round++) await app.authz.explain(about(WEB))
    expect(asked).toEqual(['yes', 'no', 'yes', 'no'])
    expect(app.authz.stats()).toMatchObject({ decisions: 0, hits: 0, misses: 0 })
  })

  test('of a rule that fails says so', async () => {
    class Broken extends SpiffeIdMatcher {
      override matches(): boolean {
        throw new Error('no')
      }
      override capture(): null {
        return null
      }
      override toString(): string {
        return 'broken'
      }
    }
    const app = await application({}, (it) =>
      it.get('/', { config: { spiffe: { allow: [new Broken()] } } }, handler),
    )
    const question = { method: 'GET', route: '/', spiffeId: WEB }
    expect(await app.authz.explain(question)).toMatchObject({
      decision: 'deny',
      reason: 'rule-failed',
    })
  })

  test('refuses a caller that is no SPIFFE ID', async () => {
    const app = await service()
    await expect(app.authz.explain(about('web'))).rejects.toMatchObject({
      code: 'invalid-spiffe-id',
    })
  })
})

describe('the table', () => {
  const engine: Engine = { name: 'opa', cost: 'io', decide: () => true, reads: ['params.id'] }
  const service = (deny: readonly string[] = []): Promise<FastifyInstance> =>
    application(
      {
        engines: [engine],
        policy: {
          version: 'v1',
          roles: { ops: ['spiffe://example.org/ops/**'] },
          routes: { 'PUT /orders/:id': { roles: ['ops'], deny } },
        },
      },
      (app) => {
        app.put('/orders/:id', handler)
        app.get(
          '/orders/:id',
          {
            exposeHeadRoute: false,
            config: {
              spiffe: {
                anyAuthenticated: true,
                where: where(() => true, { reads: ['ip'] }),
                engines: [{ engine: 'opa', maxAgeMs: 5000 }],
                mode: 'shadow',
              },
            },
          },
          handler,
        )
        app.get(
          '/files/*',
          { exposeHeadRoute: false, config: { spiffe: { public: { reason: 'a test' } } } },
          handler,
        )
      },
    )

  test('has a row for each method of each route, sorted', async () => {
    const app = await service()
    expect(app.authz.table()).toEqual({
      policyVersion: 'v1',
      routes: [
        {
          method: 'GET',
          route: '/files/*',
          allow: ['public'],
          deny: [],
          tenant: null,
          where: [],
          engines: [],
          mode: 'enforce',
          source: 'GET /files/*: config.spiffe',
        },
        {
          method: 'GET',
          route: '/orders/:id',
          allow: ['anyAuthenticated'],
          deny: [],
          tenant: null,
          where: [{ reads: ['ip'], maxAgeMs: null }],
          engines: [{ engine: 'opa', reads: ['method', 'params.id'], maxAgeMs: 5000 }],
          mode: 'shadow',
          source: 'GET /orders/:id: config.spiffe',
        },
        {
          method: 'PUT',
          route: '/orders/:id',
          allow: ["matchPattern('spiffe://example.org/ops/**')"],
          deny: [],
          tenant: null,
          where: [],
          engines: [],
          mode: 'enforce',
          source: 'option policy: PUT /orders/:id: routes["PUT /orders/:id"]',
        },
      ],
    } satisfies RouteTable)
  })

  test('tells what a comparison compares with, so that a review sees it change', async () => {
    const tableWith = async (equals: string): Promise<RouteTable> => {
      const rule = { anyAuthenticated: true, where: { attribute: 'params.id', equals } } as const
      const app = await application({}, (it) =>
        it.get('/orders/:id', { exposeHeadRoute: false, config: { spiffe: rule } }, handler),
      )
      return app.authz.table()
    }
    const [before, after] = [await tableWith('7'), await tableWith('8')]
    const comparison = '{"attribute":"params.id","equals":"7"}'
    expect(before.routes[0]?.where).toEqual([{ reads: [comparison], maxAgeMs: 0 }])
    expect(diffTables(before, after).changed[0]?.fields.map(({ field }) => field)).toEqual([
      'where',
    ])
  })

  test('tells how old a decision on a condition may be, so that a review sees it change', async () => {
    const tableWith = async (age: { maxAgeMs?: number }): Promise<RouteTable> => {
      const condition = where(() => true, { reads: ['ip'], ...age })
      const rule = { anyAuthenticated: true, where: condition } as const
      const app = await application({}, (it) =>
        it.get('/', { exposeHeadRoute: false, config: { spiffe: rule } }, handler),
      )
      return app.authz.table()
    }
    const { changed } = diffTables(await tableWith({ maxAgeMs: 0 }), await tableWith({}))
    expect(changed[0]?.fields).toEqual([
      {
        field: 'where',
        before: [{ reads: ['ip'], maxAgeMs: 0 }],
        after: [{ reads: ['ip'], maxAgeMs: null }],
      },
    ])
  })

  test('as Markdown is a table', async () => {
    const app = await service([WEB])
    expect(toMarkdown(app.authz.table()).split('\n')).toEqual([
      '| method | route | who may | who may not | of tenant | where | engines | mode |',
      '| --- | --- | --- | --- | --- | --- | --- | --- |',
      '| GET | `/files/*` | `public` |  |  |  |  | enforce |',
      '| GET | `/orders/:id` | `anyAuthenticated` |  |  | by `ip` (cached) | `opa` (5000 ms) | shadow |',
      `| PUT | \`/orders/:id\` | \`matchPattern('spiffe://example.org/ops/**')\` | \`${WEB}\` |  |  |  | enforce |`,
      '',
    ])
  })

  test('as OpenAPI says of each operation who may call it', async () => {
    const { paths } = toOpenApi((await service()).authz.table())
    expect(Object.keys(paths)).toEqual(['/files/{wildcard}', '/orders/{id}'])
    expect(paths['/orders/{id}']?.['put']).toEqual({
      'x-spiffe-authz': [
        {
          allow: ["matchPattern('spiffe://example.org/ops/**')"],
          deny: [],
          tenant: null,
          where: [],
          engines: [],
          mode: 'enforce',
        },
      ],
    })
  })

  test('as OpenAPI has the rule of each of the routes that a constraint alone tells apart', async () => {
    const isPublic = { spiffe: { public: { reason: 'a test' } } }
    const app = await application({}, (it) => {
      const own = { exposeHeadRoute: false } as const
      it.get('/', { ...own, constraints: { host: 'a.test' }, config: isPublic }, handler)
      const config = { spiffe: { allow: [WEB] } }
      it.get('/', { ...own, constraints: { host: 'b.test' }, config }, handler)
    })
    const rules = toOpenApi(app.authz.table()).paths['/']?.['get']?.['x-spiffe-authz']
    expect(rules?.map(({ allow }) => allow)).toEqual([['public'], [WEB]])
  })

  test('compared with another tells what was added, removed and changed', async () => {
    const before = (await service()).authz.table()
    const after = (await service([WEB])).authz.table()
    const [files, ...others] = after.routes
    expect(diffTables(before, { ...after, routes: others })).toEqual({
      added: [],
      removed: [before.routes[0]],
      changed: [
        {
          method: 'PUT',
          route: '/orders/:id',
          fields: [{ field: 'deny', before: [], after: [WEB] }],
        },
      ],
    })
    expect(diffTables({ ...before, routes: others }, after).added).toEqual([files])
    expect(diffTables(before, before)).toEqual({ added: [], removed: [], changed: [] })
  })

  test('compared with another sees each of the routes that differ by a constraint alone', async () => {
    const tableOf = async (first: string): Promise<RouteTable> => {
      const app = await application({}, (it) => {
        for (const [host, caller] of [
          ['a.test', first],
          ['b.test', API],
        ] as const) {
          const config = { spiffe: { allow: [caller] } }
          it.get('/', { exposeHeadRoute: false, constraints: { host }, config }, handler)
        }
      })
      return app.authz.table()
    }
    const before = await tableOf(WEB)
    expect(diffTables(before, await tableOf(API)).changed).toEqual([
      { method: 'GET', route: '/', fields: [{ field: 'allow', before: [WEB], after: [API] }] },
    ])
    const removed = diffTables(before, { ...before, routes: before.routes.slice(1) })
    expect(removed.removed).toHaveLength(1)
  })

  test('says where a request names the tenant, and a rule that compares it no more shows as changed', async () => {
    const tenancy = { tenant: '/{tenant}/{workload}', tenants: { trustDomain: 'example.org' } }
    const tableOf = async (spiffe: RouteRule): Promise<RouteTable> => {
      const app = await application(tenancy, (it) =>
        it.get('/:tenant', { exposeHeadRoute: false, config: { spiffe } }, handler),
      )
      return app.authz.table()
    }
    const bound = await tableOf({ anyAuthenticated: true, tenant: 'params.tenant' })
    expect(bound.routes).toMatchObject([{ tenant: 'params.tenant' }])
    expect(toMarkdown(bound)).toContain('| `params.tenant` |')
    expect(diffTables(bound, await tableOf({ anyAuthenticated: true })).changed).toMatchObject([
      { fields: [{ field: 'tenant', before: 'params.tenant', after: null }] },
    ])
  })
})

describe('a rule in shadow mode', () => {
  test('lets every request in, and tells what it says', async () => {
    const app = await application({}, (it) =>
      it.get('/', { config: { spiffe: { allow: [WEB], mode: 'shadow' } } }, handler),
    )
    const events = await eventsDuring<DecisionEvent>('spiffe:authz:decision', async () => {
      for (const caller of [WEB, API, null]) expect(await statusOf(app, caller, '/')).toBe(200)
    })
    expect(events.map(({ decision, reason, mode }) => [decision, reason, mode])).toEqual([
      ['allow', 'allowed', 'shadow'],
      ['deny', 'not-allowed', 'shadow'],
      ['deny', 'no-identity', 'shadow'],
    ])
    expect(app.authz.shadowReport().shadow).toEqual([
      { method: 'GET', route: '/', agree: 1, wouldDeny: 2, wouldAllow: 0 },
    ])
  })
})

describe('a document under consideration', () => {
  const inForce = policyOf({ 'GET /': { allow: [WEB] } })
  const service = (options: AuthzOptions = {}): Promise<FastifyInstance> =>
    application({ policy: inForce, ...options }, (app) => app.get('/', handler))

  test('enforces nothing, and what it says is compared with what became of each request', async () => {
    const app = await service()
    await app.authz.setCandidate(policyOf({ 'GET /': { allow: [API] } }, 'v2'))
    const events = await eventsDuring<CandidateEvent>('spiffe:authz:candidate', async () => {
      expect(await statusOf(app, WEB, '/')).toBe(200)
      expect(await statusOf(app, API, '/')).toBe(403)
      expect(await statusOf(app, null, '/')).toBe(401)
      expect(await statusOf(app, WEB, '/nothing')).toBe(404)
    })
    expect(app.authz.shadowReport().candidate).toEqual([
      { method: 'GET', route: '/', agree: 1, wouldDeny: 1, wouldAllow: 1 },
    ])
    const common = { policyVersion: 'v2', method: 'GET', route: '/' }
    expect(events).toEqual([
      { verdict: 'would-deny', reason: 'not-allowed', spiffeId: WEB, ...common },
      { verdict: 'would-allow', reason: 'allowed', spiffeId: API, ...common },
    ])
    expect(app.authz.policyVersion).toBe('v1')
  })

  test('is asked without letting the request wait', async () => {
    const answers: ((answer: boolean) => void)[] = []
    const decide = (): Promise<boolean> => new Promise((resolve) => answers.push(resolve))
    const app = await service({ engines: [{ name: 'slow', cost: 'io', decide }] })
    await app.authz.setCandidate(policyOf({ 'GET /': { allow: [WEB], engines: ['slow'] } }))
    expect(await statusOf(app, WEB, '/')).toBe(200)
    expect(app.authz.shadowReport().candidate).toEqual([])
    answers[0]?.(false)
    await new Promise(setImmediate)
    expect(app.authz.shadowReport().candidate).toMatchObject([{ agree: 0, wouldDeny: 1 }])
  })

  test('ends by null, and begins to count anew', async () => {
    const app = await service()
    await app.authz.setCandidate(inForce)
    await statusOf(app, WEB, '/')
    await app.authz.setCandidate(null)
    await statusOf(app, WEB, '/')
    expect(app.authz.shadowReport().candidate).toEqual([])
  })

  test('before the application is ready is refused: not all routes are known', async () => {
    const app = Fastify()
    apps.push(app)
    await app.register(peer)
    await app.register(authz)
    await expect(app.authz.setCandidate({})).rejects.toMatchObject({ code: 'invalid-policy' })
  })

  test('that is wrong, or fails its own tests, is refused', async () => {
    const app = await service()
    await expect(app.authz.setCandidate({})).rejects.toMatchObject({ code: 'uncovered-routes' })
    await expect(
      app.authz.setCandidate({ ...inForce, tests: [{ route: 'GET /', as: WEB, expect: 'deny' }] }),
    ).rejects.toMatchObject({ code: 'policy-test-failed' })
  })
})
