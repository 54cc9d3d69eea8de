// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
// One test for each feature that is claimed, under the name of the feature. They stand here and not in the package, because
// they use it as an application does: by what it exports, with `peer`.
import { readFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import {
  authz,
  type DecisionLogEvent,
  diffTables,
  type Engine,
  type PolicyDocument,
  protect,
  type RouteRule,
  toMarkdown,
  toOpenApi,
  where,
} from '@fastify-spiffe/authz'
import { authzen } from '@fastify-spiffe/policy/authzen'
import { opaWasm } from '@fastify-spiffe/engine-opa-wasm'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { matchMemberOf, matchOneOf, SpiffeId } from '@fastify-spiffe/spiffe'
import { afterEach, expect, test } from '@jest/globals'
import { type Feature, FEATURES, NOT_CLAIMED } from './feature-list.ts'
import {
  API,
  closeServices,
  decisions,
  GLOBEX,
  service,
  statusOf,
  unguarded,
  WEB,
} from './support/services.ts'

const FOREIGN = 'spiffe://other.org/acme/web'
const CALLERS = [WEB, API, GLOBEX, FOREIGN] as const

const shown = new Set<Feature>()

/** A test of a feature that is claimed. */
function claim(feature: Feature, show: () => Promise<void>): void {
  shown.add(feature)
  test(feature, show)
}

afterEach(closeServices)

/** The statuses of all callers, in their order. */
const statuses = async (
  ...[app, url]: [Parameters<typeof statusOf>[0], string?]
): Promise<number[]> => {
  const all: number[] = []
  for (const caller of CALLERS) all.push(await statusOf(app, caller, url))
  return all
}

claim('SPIFFE ID as first-class principal', async () => {
  const app = await service({ tenant: '/{tenant}/{workload}' })
  const rule = { allow: [SpiffeId.parse(WEB)] }
  app.get('/', { config: { spiffe: rule } }, ({ spiffeId, tenant }) => ({
    isParsed: spiffeId instanceof SpiffeId,
    segments: spiffeId?.segments,
    tenant: tenant?.name,
  }))
  expect((await injectAs(app, WEB, '/')).json()).toEqual({
    isParsed: true,
    segments: ['acme', 'web'],
    tenant: 'acme',
  })
  expect(await statuses(app)).toEqual([200, 403, 403, 403])
  expect(await statusOf(app, null)).toBe(401)
})

claim('exact ID / one-of / trust-domain rules', async () => {
  const app = await service()
  app.get('/exact', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
  app.get('/one-of', { config: { spiffe: { allow: [matchOneOf(WEB, API)] } } }, () => 'in')
  app.get('/domain', { config: { spiffe: { allow: [matchMemberOf('example.org')] } } }, () => 'in')
  app.get('/data', { config: { spiffe: { allow: [{ memberOf: 'other.org' }] } } }, () => 'in')
  expect(await statuses(app, '/exact')).toEqual([200, 403, 403, 403])
  expect(await statuses(app, '/one-of')).toEqual([200, 200, 403, 403])
  expect(await statuses(app, '/domain')).toEqual([200, 200, 200, 403])
  expect(await statuses(app, '/data')).toEqual([403, 403, 403, 200])
})

claim('segment-aware path pattern (not string prefix)', async () => {
  const app = await service()
  const rule = { allow: ['spiffe://example.org/{tenant}/api-*', 'spiffe://example.org/ops/**'] }
  app.get('/', { config: { spiffe: rule } }, () => 'in')
  const of = (path: string) => statusOf(app, `spiffe://example.org/${path}`)
  expect(await of('acme/api-v1')).toBe(200)
  expect(await of('ops/a/b')).toBe(200)
  for (const path of ['acme/web/api-v1', 'api-v1', 'acme/api-v1/x', 'ops-evil/a']) {
    expect(await of(path)).toBe(403)
  }
})

claim('method + route matching', async () => {
  const app = await service()
  app.get('/orders/:id', { config: { spiffe: { allow: [WEB, API] } } }, () => 'in')
  app.put('/orders/:id', { config: { spiffe: { allow: [API] } } }, () => 'in')
  const put = async (caller: string) =>
    (await injectAs(app, caller, { method: 'PUT', url: '/orders/7' })).statusCode
  expect(await statuses(app, '/orders/7')).toEqual([200, 200, 403, 403])
  expect([await put(WEB), await put(API)]).toEqual([403, 200])
})

claim("rule bound to the router's own route (no URL string matching)", async () => {
  const app = await service()
  app.get('/orders/export', { config: { spiffe: { allow: [API] } } }, () => 'export')
  app.get('/orders/:id', { config: { spiffe: { allow: [WEB] } } }, () => 'one')
  // The same route however its URL is written, and with it the same rule.
  for (const url of [
    '/orders/export',
    '/%6frders/export',
    '/orders/export?id=7',
    '/orders/%65xport',
  ]) {
    expect(await statuses(app, url)).toEqual([403, 200, 403, 403])
  }
  expect(await statuses(app, '/orders/export%2f')).toEqual([200, 403, 403, 403])
})

claim('request attributes / claims conditions', async () => {
  // What `jwtClaims()` of `@fastify-spiffe/policy/jwt` is: a provider of the attributes of a group.
  const claims = {
    group: 'jwt',
    provide: async ({ headers }: { headers: Record<string, unknown> }) => ({
      get: (name: string) => (name === 'scope' ? String(headers['x-scope']) : undefined),
    }),
  }
  const app = await service({ attributes: [claims] })
  const both = [
    where((it) => it['jwt.scope'] === 'read', { reads: ['jwt.scope'] }),
    { attribute: 'params.id', in: ['7', '8'] },
  ] as const
  app.get(
    '/orders/:id',
    { config: { spiffe: { anyAuthenticated: true, where: both } } },
    () => 'in',
  )
  const ask = (id: string, scope: string) =>
    statusOf(app, WEB, `/orders/${id}`, { 'x-scope': scope })
  expect([await ask('7', 'read'), await ask('7', 'write'), await ask('9', 'read')]).toEqual([
    200, 403, 403,
  ])
})

claim('deny overrides allow', async () => {
  const app = await service()
  const rule = { allow: ['spiffe://example.org/**'], deny: ['spiffe://example.org/*/api'] }
  app.get('/', { config: { spiffe: rule } }, () => 'in')
  expect(await statuses(app)).toEqual([200, 403, 200, 403])
  // An outer deny holds whatever a rule further in allows.
  const outer = await service()
  await outer.register(async (child) => {
    protect(child, { anyAuthenticated: true, deny: [API] })
    child.get('/', { config: { spiffe: { allow: [API, WEB] } } }, () => 'in')
  })
  expect(await statuses(outer)).toEqual([200, 403, 403, 403])
})

claim('default deny with nothing configured', async () => {
  const app = await service()
  app.get('/', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
  using seen = decisions()
  expect(await statuses(app)).toEqual([200, 403, 403, 403])
  expect(await statusOf(app, WEB, '/nothing')).toBe(404)
  expect(seen.events.map(({ reason }) => reason)).toEqual([
    'allowed',
    'not-allowed',
    'not-allowed',
    'not-allowed',
    'not-found',
  ])
  for (const spiffe of [{}, { allow: [] }]) {
    const wrong = await service()
    expect(() => wrong.get('/', { config: { spiffe } }, () => 'in')).toThrow(
      expect.objectContaining({ code: 'invalid-rule' }),
    )
  }
})

claim('refuses to start when a route has no rule', async () => {
  const app = await unguarded()
  const registered = app.register(authz)
  app.get('/before', () => 'in')
  await registered
  app.get('/covered', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
  app.put('/forgotten', () => 'in')
  const error: unknown = await app.ready().then(
    () => null,
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({
    code: 'uncovered-routes',
    routes: [
      { method: 'PUT', url: '/forgotten' },
      { method: 'GET, HEAD', url: '/before' },
    ],
  })
})

claim('typed rules (compile-time checked, inferred attributes)', async () => {
  const app = await service()
  // The compiler checks each of these lines when it builds this file: were one of them right, the build would fail.
  const undeclared = where((it) => 'method' in it && Reflect.get(it, 'ip') === '', {
    reads: ['method'],
  })
  // @ts-expect-error -- `ip` is not declared
  where((it) => it.ip === '127.0.0.1', { reads: ['method'] })
  // @ts-expect-error -- there is no attribute `body`
  where(() => true, { reads: ['body'] })
  // @ts-expect-error -- a tenant is no text
  where(({ tenant }) => tenant === 'acme', { reads: ['tenant'] })
  // @ts-expect-error -- `allowed` is no key of a rule
  const misspelled: RouteRule = { allowed: [WEB] }
  // @ts-expect-error -- a caller is no number
  const numbered: RouteRule = { allow: [7] }
  for (const spiffe of [misspelled, numbered]) {
    expect(() => app.get('/wrong', { config: { spiffe } }, () => 'in')).toThrow(
      expect.objectContaining({ code: 'invalid-rule' }),
    )
  }
  // And who gets around the compiler does not get around the plugin.
  app.get('/', { config: { spiffe: { anyAuthenticated: true, where: undeclared } } }, () => 'in')
  using seen = decisions()
  expect(await statusOf(app, WEB)).toBe(403)
  expect(seen.events).toMatchObject([{ reason: 'condition-failed' }])
})

claim('shadow / dry-run beside enforcement', async () => {
  const app = await service({ policy: { routes: { 'GET /enforced': { allow: [WEB, API] } } } })
  app.get('/enforced', () => 'in')
  app.get('/new', { config: { spiffe: { allow: [WEB], mode: 'shadow' } } }, () => 'in')
  await app.ready()
  // One more document beside the one in force.
  await app.authz.setCandidate({ routes: { 'GET /enforced': { allow: [WEB, GLOBEX] } } })
  expect(await statuses(app, '/new')).toEqual([200, 200, 200, 200])
  expect(await statuses(app, '/enforced')).toEqual([200, 200, 403, 403])
  const { shadow, candidate } = app.authz.shadowReport()
  expect(shadow).toEqual([{ method: 'GET', route: '/new', agree: 1, wouldDeny: 3, wouldAllow: 0 }])
  // One verdict for each request: WEB and FOREIGN as before, API would lose, GLOBEX would gain.
  expect(candidate).toContainEqual({
    method: 'GET',
    route: '/enforced',
    agree: 2,
    wouldDeny: 1,
    wouldAllow: 1,
  })
})

claim('explain: which rule, why not the others', async () => {
  const app = await service()
  const rule: RouteRule = {
    allow: [API, 'spiffe://example.org/{tenant}/web'],
    deny: ['spiffe://example.org/globex/*'],
    where: { attribute: 'params.id', equals: '7' },
  }
  app.get('/orders/:id', { config: { spiffe: rule } }, () => 'in')
  await app.ready()
  const explain = (spiffeId: string, id: string) =>
    app.authz.explain({
      method: 'GET',
      route: '/orders/:id',
      spiffeId,
      attributes: { 'params.id': id },
    })
  expect(await explain(WEB, '8')).toMatchObject({
    decision: 'deny',
    reason: 'condition-false',
    source: 'GET /orders/:id: config.spiffe',
    findings: [
      { check: 'deny[0]', outcome: 'does-not-match' },
      { check: 'allow[0]', what: API, outcome: 'does-not-match' },
      { check: 'allow[1]', outcome: 'matches' },
      { check: 'where[0]', what: 'params.id', outcome: 'does-not-hold', reason: 'condition-false' },
    ],
  })
  expect(await explain(WEB, '7')).toMatchObject({ decision: 'allow', reason: 'allowed' })
  expect(await explain(GLOBEX, '7')).toMatchObject({ decision: 'deny', reason: 'denied' })
})

/** A service that writes its decisions here. */
async function logged(mask: readonly string[] = []) {
  const written: DecisionLogEvent[] = []
  const app = await service({
    decisionLog: {
      write: (events) => void written.push(...events),
      allowSampleRate: 1,
      mask,
      labels: { service: 'orders' },
    },
    policy: { version: 'v7', routes: { 'GET /orders/:id': { allow: [WEB] } } },
  })
  app.get('/orders/:id', () => 'in')
  return { app, written }
}

claim('structured decision log', async () => {
  const { app, written } = await logged()
  expect(await statuses(app, '/orders/7')).toEqual([200, 403, 403, 403])
  await app.close()
  expect(written.map(({ result }) => result['reason'])).toEqual([
    'allowed',
    'not-allowed',
    'not-allowed',
    'not-allowed',
  ])
  expect(written[1]).toMatchObject({
    decision_id: expect.any(String),
    labels: { service: 'orders' },
    requested_by: '127.0.0.1',
    timestamp: expect.any(String),
  })
  expect(new Set(written.map((event) => event.decision_id)).size).toBe(4)
})

claim('masking of logged attributes', async () => {
  const { app, written } = await logged(['/requested_by'])
  await statusOf(app, API, '/orders/7')
  await app.close()
  expect(written).toMatchObject([{ erased: ['/requested_by'] }])
  expect(written[0]?.requested_by).toBeUndefined()
})

claim('policy version on every decision', async () => {
  const { app, written } = await logged()
  using seen = decisions()
  await statuses(app, '/orders/7')
  await app.authz.reload({ version: 'v8', routes: { 'GET /orders/:id': { allow: [API] } } })
  await statuses(app, '/orders/7')
  await statusOf(app, WEB, '/nothing')
  const versions = [...Array<string>(4).fill('v7'), ...Array<string>(5).fill('v8')]
  expect(seen.events.map(({ policyVersion }) => policyVersion)).toEqual(versions)
  const explained = await app.authz.explain({ method: 'GET', route: '/orders/:id', spiffeId: API })
  expect(explained.policyVersion).toBe('v8')
  expect(app.authz.table().policyVersion).toBe('v8')
  await app.close()
  expect(JSON.stringify(written[0])).toContain('"v7"')
})

claim('in-process evaluation in Node', async () => {
  const engine: Engine = {
    name: 'office-hours',
    cost: 'inline',
    decide: ({ method }) => method === 'GET',
  }
  const app = await service({ engines: [engine] })
  const condition = where(({ method }) => method !== 'PUT', { reads: ['method'] })
  const rule = { allow: [WEB], where: condition, engines: ['office-hours'] }
  app.get('/', { config: { spiffe: rule } }, () => 'in')
  await app.ready()
  using seen = decisions()
  expect(await statusOf(app, WEB)).toBe(200)
  expect(seen.events).toMatchObject([{ decision: 'allow', engine: 'office-hours' }])
  expect(app.authz.engines()).toMatchObject([{ engine: 'office-hours', allowed: 1 }])

  // Rego as well, compiled to WebAssembly: no other process is asked.
  const fixtures = new URL('../../../packages/engine-opa-wasm/fixtures/', import.meta.url)
  const rego = await opaWasm({
    wasm: { file: fileURLToPath(new URL('first.tar.gz', fixtures)) },
    entrypoint: 'orders/allow',
  })
  const withRego = await service({ tenant: '/{tenant}/{workload}', engines: [rego] })
  withRego.get(
    '/orders/:id',
    { config: { spiffe: { anyAuthenticated: true, engines: ['opa-wasm'] } } },
    () => 'in',
  )
  expect(await statuses(withRego, '/orders/7')).toEqual([200, 200, 403, 200])
})

/** A service whose condition counts how often it is asked. */
async function counting(options: Parameters<typeof service>[0] = {}) {
  const asked = { times: 0 }
  const app = await service({ tenant: '/{tenant}/{workload}', ...options })
  const condition = where(
    async () => {
      asked.times++
      await new Promise(setImmediate)
      return true
    },
    { reads: ['tenant', 'query.q'], timeoutMs: 60_000 },
  )
  app.get('/', { config: { spiffe: { anyAuthenticated: true, where: condition } } }, () => 'in')
  return { app, asked }
}

claim('decision cache at the PEP', async () => {
  const { app, asked } = await counting()
  using seen = decisions()
  for (let time = 0; time < 5; time++) expect(await statuses(app)).toEqual([200, 200, 200, 200])
  expect(asked.times).toBe(CALLERS.length)
  expect(seen.events.map(({ cached }) => cached)).toEqual([
    ...Array<boolean>(4).fill(false),
    ...Array<boolean>(16).fill(true),
  ])
})

claim('… keyed by policy version, O(1) tenant flush', async () => {
  let version = 1
  const { app, asked } = await counting({ policyVersion: () => version })
  await statuses(app)
  version = 2
  await statuses(app)
  expect(asked.times).toBe(8)
  app.authz.invalidate({ trustDomain: 'example.org', name: 'acme' })
  await statuses(app)
  // WEB and API are of acme; acme of the other trust domain is another tenant.
  expect(asked.times).toBe(10)

  // Tenants with ten thousand decisions each, two hundred of them by one request.
  const many = await service({
    tenant: '/{tenant}/{workload}',
    cache: { maxDecisionsPerTenant: 100_000 },
  })
  const conditions = Array.from({ length: 200 }, () => where(() => true, { reads: ['query.q'] }))
  const rule = { anyAuthenticated: true, where: conditions } as const
  many.get('/', { config: { spiffe: rule } }, () => 'in')
  const tenants = ['t1', 't2', 't3', 't4', 't5']
  for (const tenant of tenants) {
    for (let q = 0; q < 50; q++)
      await statusOf(many, `spiffe://example.org/${tenant}/web`, `/?q=${q}`)
  }
  expect(many.authz.stats()).toMatchObject({ tenants: 5, decisions: 50_000 })
  const timeOf = (work: () => void): number => {
    const start = performance.now()
    work()
    return performance.now() - start
  }
  const flushes = tenants.map((name) =>
    timeOf(() => many.authz.invalidate({ trustDomain: 'example.org', name })),
  )
  expect(many.authz.stats().decisions).toBe(0)
  // Beside it, the same keys in one map, of which those of a tenant are looked up and deleted.
  const single = new Map<string, boolean>()
  for (const tenant of tenants) {
    for (let key = 0; key < 10_000; key++) single.set(`${tenant}|${key}`, true)
  }
  const scans = tenants.map((tenant) =>
    timeOf(() => {
      for (const key of single.keys()) if (key.startsWith(`${tenant}|`)) single.delete(key)
    }),
  )
  expect(Math.min(...flushes) * 10).toBeLessThan(Math.min(...scans))
})

claim('… key derived from attributes actually read', async () => {
  const { app, asked } = await counting()
  await statusOf(app, WEB, '/?q=1')
  await statusOf(app, WEB, '/?q=1&other=2', { 'x-anything': 'else' })
  expect(asked.times).toBe(1) // `other` and the header are not read
  await statusOf(app, WEB, '/?q=2')
  await statusOf(app, WEB, '/')
  await statusOf(app, WEB, '/?q=')
  expect(asked.times).toBe(4)
})

claim('stampede protection at the PEP', async () => {
  const { app, asked } = await counting()
  await app.ready()
  const all = await Promise.all(Array.from({ length: 1000 }, () => statusOf(app, WEB)))
  expect(new Set(all)).toEqual(new Set([200]))
  expect(asked.times).toBe(1)
})

claim('fail-closed default + visible fail-open', async () => {
  let now = 0
  let isDown = false
  const decide = (): boolean => {
    if (isDown) throw new Error('down')
    return true
  }
  const strict: Engine = { name: 'strict', cost: 'io', decide }
  const lenient: Engine = { name: 'lenient', cost: 'io', onError: 'stale', decide }
  const app = await service({
    engines: [strict, lenient],
    clock: () => now,
    random: () => 0.5,
    staleHeader: 'x-stale',
  })
  for (const name of ['strict', 'lenient']) {
    const rule = { anyAuthenticated: true, engines: [name] } as const
    app.get(`/${name}`, { config: { spiffe: rule } }, () => 'in')
  }
  for (const url of ['/strict', '/lenient']) expect(await statusOf(app, WEB, url)).toBe(200)
  now = 30_000
  isDown = true
  using seen = decisions()
  expect(await statusOf(app, WEB, '/strict')).toBe(403)
  const { statusCode, headers } = await injectAs(app, WEB, '/lenient')
  expect([statusCode, headers['x-stale']]).toEqual([200, 'lenient'])
  expect(await statusOf(app, API, '/lenient')).toBe(403) // nothing was said of this caller
  expect(seen.events.map(({ reason }) => reason)).toEqual([
    'engine-failed',
    'stale',
    'engine-failed',
  ])
})

claim('timeout + breaker per engine', async () => {
  const signals: AbortSignal[] = []
  const hung: Engine = {
    name: 'hung',
    cost: 'io',
    timeoutMs: 5,
    decide: (_question, { signal }) => {
      signals.push(signal)
      return new Promise(() => undefined)
    },
  }
  const broken: Engine = {
    name: 'broken',
    cost: 'io',
    decide: () => {
      throw new Error('down')
    },
  }
  const well: Engine = { name: 'well', cost: 'io', decide: async () => true }
  const app = await service({ engines: [hung, broken, well] })
  for (const engine of ['hung', 'broken', 'well']) {
    const rule = { anyAuthenticated: true, engines: [{ engine, maxAgeMs: 0 }] } as const
    app.get(`/${engine}`, { config: { spiffe: rule } }, () => 'in')
  }
  expect(await statusOf(app, WEB, '/hung')).toBe(403)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  for (let time = 0; time < 7; time++) expect(await statusOf(app, WEB, '/broken')).toBe(403)
  expect(await statusOf(app, WEB, '/well')).toBe(200)
  expect(app.authz.engines()).toMatchObject([
    { engine: 'hung', breaker: 'closed' },
    { engine: 'broken', failed: 5, unavailable: 2, breaker: 'open' },
    { engine: 'well', allowed: 1, breaker: 'closed' },
  ])
})

claim('route table / OpenAPI export of policy', async () => {
  const app = await service()
  app.get('/orders/:id', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
  await app.ready()
  const table = app.authz.table()
  expect(table.routes).toMatchObject([
    { method: 'GET', route: '/orders/:id', allow: [WEB] },
    { method: 'HEAD', route: '/orders/:id', allow: [WEB] },
  ])
  expect(toMarkdown(table)).toContain(`| GET | \`/orders/:id\` | \`${WEB}\` |`)
  expect(toOpenApi(table).paths['/orders/{id}']?.['get']?.['x-spiffe-authz']?.[0]).toMatchObject({
    allow: [WEB],
  })
  const wider = { ...table, routes: table.routes.map((row) => ({ ...row, allow: [WEB, API] })) }
  expect(diffTables(table, wider).changed).toHaveLength(2)
})

const POLICY: PolicyDocument = {
  version: '1',
  routes: { 'GET /orders': { allow: [WEB] } },
  tests: [
    { route: 'GET /orders', as: WEB, expect: 'allow' },
    { route: 'GET /orders', as: GLOBEX, expect: 'deny' },
  ],
}

claim('policy test harness', async () => {
  const app = await service({ policy: POLICY })
  app.get('/orders', () => 'in')
  await app.ready()
  const careless = {
    ...POLICY,
    version: '2',
    routes: { 'GET /orders': { anyAuthenticated: true } },
  } as const
  await expect(app.authz.reload(careless)).rejects.toMatchObject({ code: 'policy-test-failed' })
  const failing = await service({ policy: careless })
  failing.get('/orders', () => 'in')
  await expect(failing.ready()).rejects.toMatchObject({ code: 'policy-test-failed' })
})

claim('hot reload, atomic swap, last-known-good', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'authz-features-'))
  try {
    const file = join(folder, 'policy.json')
    await writeFile(file, JSON.stringify(POLICY))
    const app = await service({ policy: { file } })
    app.get('/orders', () => 'in')
    expect(await statuses(app, '/orders')).toEqual([200, 403, 403, 403])
    for (const broken of ['{', '{"routes":{"GET /nowhere":"x"}}', '{"routes":{}}']) {
      await writeFile(file, broken)
      await expect(app.authz.reload()).rejects.toHaveProperty('code')
      expect(app.authz.policyVersion).toBe('1')
      expect(await statuses(app, '/orders')).toEqual([200, 403, 403, 403])
    }
    const next = { version: '2', routes: { 'GET /orders': { allow: [API] } } }
    await writeFile(file, JSON.stringify(next))
    expect(await app.authz.reload()).toBe('2')
    expect(await statuses(app, '/orders')).toEqual([403, 200, 403, 403])
  } finally {
    await rm(folder, { recursive: true })
  }
})

claim('tenants as a first-class bound (quota, isolation)', async () => {
  const app = await service({
    tenant: '/{tenant}/{workload}',
    tenants: { trustDomain: 'example.org', maxEvaluationsPerSecond: 10 },
    cache: { maxDecisionsPerTenant: 10 },
  })
  const condition = where(() => true, { reads: ['query.q'] })
  const rule = { anyAuthenticated: true, tenant: 'params.tenant', where: condition } as const
  app.get('/:tenant/orders', { config: { spiffe: rule } }, () => 'in')
  expect(await statusOf(app, WEB, '/acme/orders')).toBe(200)
  expect(await statusOf(app, GLOBEX, '/acme/orders')).toBe(403)
  expect(await statusOf(app, FOREIGN, '/acme/orders')).toBe(403)
  // A noisy tenant comes upon its own quota, and evicts nothing of the other.
  const noise = new Set<number>()
  for (let q = 0; q < 100; q++) noise.add(await statusOf(app, GLOBEX, `/globex/orders?q=${q}`))
  expect(noise).toEqual(new Set([200, 429]))
  const { evaluations } = app.authz.stats()
  expect(await statusOf(app, WEB, '/acme/orders')).toBe(200)
  expect(app.authz.stats()).toMatchObject({ evaluations, tenants: 2 })
})

claim('AuthZEN 1.0', async () => {
  const asked: unknown[] = []
  let decision: unknown = true
  const server = http.createServer((request: IncomingMessage, response) => {
    void (async () => {
      asked.push({ url: request.url, body: await json(request) })
      response.setHeader('content-type', 'application/json')
      response.setHeader('x-request-id', String(request.headers['x-request-id']))
      response.end(JSON.stringify({ decision }))
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    const app = await service({
      engines: [authzen({ url: `http://127.0.0.1:${port}`, timeoutMs: 10_000 })],
    })
    const use = { engine: 'authzen', maxAgeMs: 0 } as const
    app.get('/orders/:id', { config: { spiffe: { allow: [WEB], engines: [use] } } }, () => 'in')
    expect(await statusOf(app, WEB, '/orders/7')).toBe(200)
    for (decision of [false, 'true', null]) {
      expect(await statusOf(app, WEB, '/orders/7')).toBe(403)
    }
    expect(asked[0]).toMatchObject({
      url: '/access/v1/evaluation',
      body: { subject: { type: 'spiffe', id: WEB }, action: { name: 'GET' } },
    })
    await app.close()
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('each feature is shown by a test of its name, or listed as not claimed with the reason', async () => {
  const readme = await readFile(new URL('../../authz/README.md', import.meta.url), 'utf8')
  const rows = FEATURES.map((feature) => {
    const reason = NOT_CLAIMED.get(feature)
    const isClaimed = reason === undefined
    expect({ feature, isShown: shown.has(feature) }).toEqual({ feature, isShown: isClaimed })
    return `| ${feature} | ${reason ?? 'yes'} |`
  })
  const written = readme.split('\n').filter((line) => line.startsWith('| '))
  const plain = written.map((line) => line.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---'))
  expect(plain).toEqual(['| feature | claimed |', '| --- | --- |', ...rows])
})
