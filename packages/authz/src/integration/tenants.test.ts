// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  authz,
  type AuthzOptions,
  type Engine,
  type RouteRule,
  tenantOfSlug,
  tenantSlug,
} from '../index.ts'
import { reasonsDuring } from '../events.test.helper.ts'

const ACME = 'spiffe://example.org/acme/web'
const GLOBEX = 'spiffe://example.org/globex/web'
const FOREIGN = 'spiffe://partner.test/acme/web'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

const BASE: AuthzOptions = {
  tenant: '/{tenant}/{workload}',
  tenants: { trustDomain: 'example.org' },
}

async function service(
  rule: Partial<RouteRule>,
  options: AuthzOptions = {},
): Promise<FastifyInstance> {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  await app.register(authz, { ...BASE, ...options })
  const spiffe: RouteRule = { anyAuthenticated: true, ...rule }
  app.get('/tenants/:tenant', { config: { spiffe } }, () => 'in')
  return app
}

async function statusOf(
  app: FastifyInstance,
  as: string | null,
  tenant = 'acme',
  headers: Record<string, string> = {},
): Promise<number> {
  return (await injectAs(app, as, { url: `/tenants/${tenant}`, headers })).statusCode
}

describe('a route that names a tenant', () => {
  test.each([
    ['its own', ACME, 'acme', 200],
    ['another', ACME, 'globex', 403],
    ['its own in upper case', ACME, 'ACME', 403],
    ['its own with a space', ACME, 'acme%20', 403],
    ['its own and more behind an encoded slash', ACME, 'acme%2Fx', 403],
    ['its own percent-encoded', ACME, '%61cme', 200],
    ['a name of the prototype', 'spiffe://example.org/constructor/web', 'constructor', 200],
    ['the same name in another trust domain', FOREIGN, 'acme', 403],
    ['its own, by a caller whose path has no tenant', 'spiffe://example.org/web', 'web', 403],
  ])('admits a caller of %s: %s for %s is %i', async (_, caller, tenant, status) => {
    const app = await service({ tenant: 'params.tenant' })
    expect(await statusOf(app, caller, tenant)).toBe(status)
  })

  test('refuses before the rule is asked, and says why in its event alone', async () => {
    const app = await service({ tenant: 'params.tenant', deny: [ACME] })
    const reasons = await reasonsDuring(async () => {
      const { body } = await injectAs(app, ACME, '/tenants/globex')
      expect(JSON.parse(body)).toMatchObject({ code: 'forbidden', message: 'Forbidden' })
      await statusOf(app, ACME, 'acme')
    })
    expect(reasons).toEqual(['tenant-mismatch', 'denied'])
  })

  test('can hide that the other tenant exists', async () => {
    const app = await service(
      { tenant: 'params.tenant' },
      { tenants: { trustDomain: 'example.org', mismatchStatus: 404 } },
    )
    expect(await statusOf(app, ACME, 'globex')).toBe(404)
    expect(await statusOf(app, ACME, 'nobody')).toBe(404)
    expect(await statusOf(app, ACME, 'acme')).toBe(200)
  })

  test('by a header compares that header, which must be there', async () => {
    const app = await service({ tenant: 'headers.x-tenant' })
    expect(await statusOf(app, ACME, 'any', { 'x-tenant': 'acme' })).toBe(200)
    expect(await statusOf(app, ACME, 'any', { 'x-tenant': 'globex' })).toBe(403)
    expect(await statusOf(app, ACME, 'any', { 'x-tenant': 'acme, globex' })).toBe(403)
    expect(await statusOf(app, ACME)).toBe(403)
  })

  test('by host compares the first label with the slug of the tenant', async () => {
    const app = await service({ tenant: 'host' })
    expect(await statusOf(app, ACME, 'any', { host: 'acme.api.test' })).toBe(200)
    expect(await statusOf(app, ACME, 'any', { host: 'globex.api.test' })).toBe(403)
    const odd = 'spiffe://example.org/Team_b.x/web'
    expect(await statusOf(app, odd, 'any', { host: `${tenantSlug('Team_b.x')}.api.test` })).toBe(
      200,
    )
    expect(await statusOf(app, odd, 'any', { host: 'team_b.x.api.test' })).toBe(403)
  })

  test('admits foreign tenants by explicit map only', async () => {
    const tenants = {
      trustDomain: 'example.org',
      foreign: { 'partner.test': { acme: 'globex' } },
    }
    const app = await service({ tenant: 'params.tenant' }, { tenants })
    expect(await statusOf(app, FOREIGN, 'globex')).toBe(200)
    expect(await statusOf(app, FOREIGN, 'acme')).toBe(403)
    expect(await statusOf(app, 'spiffe://partner.test/globex/web', 'globex')).toBe(403)
    expect(await statusOf(app, 'spiffe://third.test/acme/web', 'globex')).toBe(403)
  })

  test.each<[string, Partial<RouteRule>, AuthzOptions]>([
    ['without a template', { tenant: 'params.tenant' }, { tenant: undefined as never }],
    ['without a trust domain', { tenant: 'params.tenant' }, { tenants: {} }],
    ['by a parameter that there is not', { tenant: 'params.name' }, {}],
    ['by a header in upper case', { tenant: 'headers.X-Tenant' }, {}],
    ['by something else', { tenant: 'query.tenant' as never }, {}],
  ])('%s does not boot', async (_, rule, options) => {
    await expect(service(rule, options)).rejects.toMatchObject({ code: 'invalid-rule' })
  })
})

describe('the template', () => {
  test('can be another for each trust domain, and others have no tenant', async () => {
    const app = Fastify()
    apps.push(app)
    await app.register(peer)
    const tenant = { 'example.org': '/{tenant}/*', 'k8s.test': '/ns/{tenant}/sa/*' }
    await app.register(authz, { tenant })
    const spiffe = { anyAuthenticated: true } as const
    app.get('/', { config: { spiffe } }, ({ tenant: found }) => ({ name: found?.name ?? null }))
    const tenants: unknown[] = []
    for (const caller of [ACME, 'spiffe://k8s.test/ns/team-a/sa/web', FOREIGN]) {
      tenants.push(JSON.parse((await injectAs(app, caller, '/')).body))
    }
    expect(tenants).toEqual([{ name: 'acme' }, { name: 'team-a' }, { name: null }])
  })
})

describe('a slug', () => {
  const alphabet = ['a', 'b', 'A', 'B', '-', '.', '_', '1']
  const names = (length: number): string[] =>
    length === 0 ? [''] : names(length - 1).flatMap((name) => alphabet.map((it) => name + it))

  test('has small letters, digits and hyphens, is shared by no two names, and can be read back', () => {
    const all = [1, 2, 3, 4].flatMap((length) => names(length))
    const slugs = all.map(tenantSlug)
    expect(new Set(slugs).size).toBe(all.length)
    expect(slugs.every((slug) => /^[a-z0-9-]+$/.test(slug))).toBe(true)
    expect(slugs.map(tenantOfSlug)).toEqual(all)
  })

  test('that is none has no name', () => {
    for (const slug of ['A', '-', 'a-', 'a-6', '-61', 'a_b']) expect(tenantOfSlug(slug)).toBeNull()
  })
})

describe('the quota of a tenant', () => {
  const answers: ((answer: boolean) => void)[] = []
  const slow: Engine = {
    name: 'slow',
    cost: 'io',
    decide: () => new Promise((resolve) => answers.push(resolve)),
    timeoutMs: 60_000,
  }
  const quick: Engine = { name: 'quick', cost: 'io', decide: async () => true }

  test('bounds what is under way, and leaves the others alone', async () => {
    const app = await service(
      { engines: [{ engine: 'slow', reads: ['params.tenant'], maxAgeMs: 0 }] },
      { engines: [slow], tenants: { maxInFlight: 2 } },
    )
    const waiting = [statusOf(app, ACME, 'a'), statusOf(app, ACME, 'b')]
    while (answers.length < 2) await new Promise(setImmediate)
    const reasons = await reasonsDuring(async () => {
      expect(await statusOf(app, ACME, 'c')).toBe(429)
    })
    expect(reasons).toEqual(['tenant-quota'])
    const other = statusOf(app, GLOBEX, 'd')
    while (answers.length < 3) await new Promise(setImmediate)
    for (const answer of answers.splice(0)) answer(true)
    expect(await Promise.all([...waiting, other])).toEqual([200, 200, 200])
    const next = statusOf(app, ACME, 'c')
    while (answers.length < 1) await new Promise(setImmediate)
    answers.pop()?.(true)
    expect(await next).toBe(200)
  })

  test('bounds what is evaluated within a second; what the cache answers does not count', async () => {
    const app = await service(
      { engines: [{ engine: 'quick', reads: ['params.tenant'] }] },
      { engines: [quick], tenants: { maxEvaluationsPerSecond: 3 } },
    )
    const statuses: number[] = []
    for (const tenant of ['a', 'a', 'a', 'b', 'b', 'c']) {
      statuses.push(await statusOf(app, ACME, tenant))
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200])
    const more = await Promise.all(
      Array.from({ length: 50 }, (_, at) => statusOf(app, ACME, `more-${at}`)),
    )
    expect(more.filter((status) => status === 429).length).toBeGreaterThan(40)
    expect(await statusOf(app, GLOBEX, 'a')).toBe(200)
    expect(await statusOf(app, ACME, 'a')).toBe(200)
  })
})

describe('SVIDs that have called', () => {
  test('are found by their tenant alone, by serial number or fingerprint', async () => {
    const app = await service({})
    let fingerprint = ''
    app.addHook('onSend', async (request) => {
      fingerprint = request.peer?.fingerprint256 ?? fingerprint
    })
    await statusOf(app, ACME)
    const acme = { trustDomain: 'example.org', name: 'acme' }
    const found = app.authz.findSvid(acme, fingerprint)
    expect(found?.spiffeId.toString()).toBe(ACME)
    expect(app.authz.findSvid(acme, found?.serialNumber ?? '')).toBe(found)
    const globex = { trustDomain: 'example.org', name: 'globex' }
    expect(app.authz.findSvid(globex, fingerprint)).toBeNull()
    expect(app.authz.findSvid(globex, 'nothing')).toBeNull()
    expect(
      app.authz.findSvid({ trustDomain: 'partner.test', name: 'acme' }, fingerprint),
    ).toBeNull()
  })
})

const ownForeign = {
  tenants: { trustDomain: 'example.org', foreign: { 'example.org': { globex: 'acme' } } },
}

test.each<[string, unknown, string?]>([
  ['an unknown key', { tenants: { max: 1 } }, 'unknown-option'],
  ['a trust domain in upper case', { tenants: { trustDomain: 'Example.org' } }],
  ['a status that tells of neither', { tenants: { mismatchStatus: 200 } }],
  ['a quota of zero', { tenants: { maxInFlight: 0 } }],
  ['foreign tenants that are none', { tenants: { foreign: null } }],
  ['a foreign map for the trust domain itself', ownForeign],
  ['a foreign tenant without a name', { tenants: { foreign: { 'partner.test': { acme: 1 } } } }],
  ['a template that captures no tenant', { tenant: { 'example.org': '/{workload}' } }],
])('an option with %s does not boot', async (_, options, code = 'invalid-option') => {
  await expect(service({}, options as AuthzOptions)).rejects.toMatchObject({ code })
})

test.each<[string, AuthzOptions]>([
  ['tenant', { tenant: { 'Example.org': '/{tenant}' } }],
  ['tenants.trustDomain', { tenants: { trustDomain: 'Example.org' } }],
  ['tenants.foreign', { tenants: { foreign: { 'Example.org': {} } } }],
])(
  'a trust domain that is none is refused in the name of its option, %s',
  async (name, options) => {
    await expect(service({}, options)).rejects.toThrow(`option ${name}: `)
  },
)
