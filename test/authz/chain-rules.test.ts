import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { authz, type AuthzOptions, type RouteRule, where } from '@fastify-spiffe/authz'
import { chain, forwarded } from '@fastify-spiffe/chain'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { chainHeadersOf } from './support/chain-headers.ts'
import { decisions } from './support/services.ts'

const ID = (path: string): string => `spiffe://example.org/${path}`
const [WEB, BATCH, OTHER] = [ID('acme/web'), ID('acme/batch'), ID('globex/web')]
const [CHECKOUT, RELAY, LEDGER] = [ID('acme/checkout'), ID('acme/relay'), ID('acme/ledger')]

let authority: Authority
const sources = new Map<string, InProcessSource>()
const apps: FastifyInstance[] = []

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  for (const id of [WEB, BATCH, OTHER, CHECKOUT, RELAY, LEDGER]) {
    sources.set(id, await authority.source(id))
  }
})

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

afterAll(() => authority.close())

const headersOf = (path: readonly string[]): Record<string, string> =>
  chainHeadersOf(sources, path, LEDGER)

async function appWith(rule: RouteRule, options: AuthzOptions = {}): Promise<FastifyInstance> {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  await app.register(chain, { source: sources.get(LEDGER)! })
  await app.register(authz, options)
  app.get('/:tenant', { config: { spiffe: rule } }, (request) => request.tenant?.name ?? 'none')
  await app.ready()
  return app
}

/** The status, and the reason of the decision, of a call by the last of the path for the first. */
async function ask(
  app: FastifyInstance,
  path: readonly string[],
  { url = '/acme', bare = false } = {},
): Promise<string> {
  using heard = decisions()
  const headers = bare ? {} : headersOf(path)
  const answer = await injectAs(app, path.at(-1)!, { url, headers })
  return `${answer.statusCode} ${heard.events.at(-1)?.reason ?? ''}`
}

describe('onBehalfOf', () => {
  const rule: RouteRule = { allow: [WEB, CHECKOUT], onBehalfOf: [WEB] }

  test('lets in the origin itself, and those who are allowed and call for it', async () => {
    const app = await appWith(rule)
    expect(await ask(app, [WEB], { bare: true })).toBe('200 allowed')
    expect(await ask(app, [WEB])).toBe('200 allowed')
    expect(await ask(app, [WEB, CHECKOUT])).toBe('200 allowed')
  })

  test('refuses the caller that strips the chain, or calls for itself or for another', async () => {
    const app = await appWith(rule)
    expect(await ask(app, [WEB, CHECKOUT], { bare: true })).toBe('403 origin-not-allowed')
    expect(await ask(app, [CHECKOUT])).toBe('403 origin-not-allowed')
    expect(await ask(app, [BATCH, CHECKOUT])).toBe('403 origin-not-allowed')
  })

  test('adds nothing: a caller that is not allowed stays refused, whoever it calls for', async () => {
    const app = await appWith(rule)
    expect(await ask(app, [WEB, RELAY])).toBe('403 not-allowed')
    const plain = await appWith({ allow: [WEB] })
    expect(await ask(plain, [WEB, CHECKOUT])).toBe('403 not-allowed')
    expect(await ask(plain, [BATCH, WEB])).toBe('200 allowed')
  })

  test('takes patterns and matchers, with every caller that has an identity', async () => {
    const app = await appWith({
      anyAuthenticated: true,
      onBehalfOf: ['spiffe://example.org/{tenant}/web', { oneOf: [BATCH] }],
    })
    for (const origin of [WEB, OTHER, BATCH]) {
      expect(await ask(app, [origin, RELAY])).toBe('200 any-authenticated')
    }
    expect(await ask(app, [CHECKOUT, RELAY])).toBe('403 origin-not-allowed')
  })

  test("'itself' refuses calls that are made for others, whoever they are", async () => {
    const app = await appWith({ allow: [WEB, CHECKOUT], onBehalfOf: 'itself' })
    expect(await ask(app, [CHECKOUT], { bare: true })).toBe('200 allowed')
    expect(await ask(app, [CHECKOUT])).toBe('200 allowed')
    expect(await ask(app, [WEB, CHECKOUT])).toBe('403 origin-not-allowed')
    expect(await ask(app, [WEB, RELAY, WEB])).toBe('403 origin-not-allowed')
  })
})

describe('via', () => {
  test('is nobody by default, and whoever it names otherwise', async () => {
    const strict = await appWith({ allow: [CHECKOUT], onBehalfOf: [WEB] })
    expect(await ask(strict, [WEB, RELAY, CHECKOUT])).toBe('403 via-not-allowed')
    const open = await appWith({ allow: [CHECKOUT], onBehalfOf: [WEB], via: [RELAY] })
    expect(await ask(open, [WEB, RELAY, CHECKOUT])).toBe('200 allowed')
    expect(await ask(open, [WEB, CHECKOUT])).toBe('200 allowed')
    expect(await ask(open, [WEB, RELAY, BATCH, CHECKOUT])).toBe('403 via-not-allowed')
    expect(await ask(open, [WEB, BATCH, RELAY, CHECKOUT])).toBe('403 via-not-allowed')
  })
})

describe('deny', () => {
  test('names a workload in each seat, with and without onBehalfOf', async () => {
    for (const more of [{}, { onBehalfOf: [WEB, BATCH], via: [RELAY, BATCH] }]) {
      const app = await appWith({ anyAuthenticated: true, deny: [BATCH], ...more })
      expect(await ask(app, [BATCH])).toBe('403 denied')
      expect(await ask(app, [BATCH, CHECKOUT])).toBe('403 denied')
      expect(await ask(app, [WEB, BATCH, CHECKOUT])).toBe('403 denied')
      expect(await ask(app, [WEB, RELAY, CHECKOUT])).toMatch(/^200/)
    }
  })

  test('of an enforced rule around one in shadow mode does so too', async () => {
    const rules = {
      '/': { anyAuthenticated: true, deny: [BATCH] },
      '/acme': { allow: [OTHER], mode: 'shadow' },
    } as const
    const app = Fastify()
    apps.push(app)
    await app.register(peer)
    await app.register(chain, { source: sources.get(LEDGER)! })
    await app.register(authz, { policy: { prefixes: rules } })
    app.get('/acme', () => 'ok')
    await app.ready()
    expect(await ask(app, [WEB, CHECKOUT])).toBe('200 not-allowed')
    expect(await ask(app, [BATCH, CHECKOUT])).toBe('403 denied')
    expect(await ask(app, [WEB, BATCH, CHECKOUT])).toBe('403 denied')
  })
})

describe('the tenant', () => {
  const rule: RouteRule = { anyAuthenticated: true, tenant: 'params.tenant' }
  const options = { tenant: '/{tenant}/{workload}', tenants: { trustDomain: 'example.org' } }

  test('is that of the caller by default', async () => {
    const app = await appWith(rule, options)
    expect(await ask(app, [OTHER, CHECKOUT])).toBe('200 any-authenticated')
    expect(await ask(app, [OTHER, CHECKOUT], { url: '/globex' })).toBe('403 tenant-mismatch')
  })

  test("is that of the origin with tenantOf: 'origin', for rules, engines, attributes and handlers", async () => {
    const asked: string[] = []
    const engine = {
      name: 'judge',
      cost: 'io',
      reads: ['tenant'],
      decide: ({ tenant, attributes }) => {
        asked.push(`${tenant?.name} ${attributes.tenant?.name}`)
        return true
      },
    } satisfies NonNullable<AuthzOptions['engines']>[number]
    const app = await appWith(
      { ...rule, engines: ['judge'] },
      { ...options, tenantOf: 'origin', engines: [engine] },
    )
    expect(await ask(app, [OTHER, CHECKOUT])).toBe('403 tenant-mismatch')
    expect(await ask(app, [OTHER, CHECKOUT], { url: '/globex' })).toBe('200 allowed')
    expect(await ask(app, [WEB, CHECKOUT])).toBe('200 allowed')
    expect(await ask(app, [CHECKOUT], { bare: true })).toBe('200 allowed')
    // The last has the tenant, the caller and all else of the one before: it is known.
    expect(asked).toEqual(['globex globex', 'acme acme'])
    const headers = headersOf([OTHER, CHECKOUT])
    const answer = await injectAs(app, CHECKOUT, { url: '/globex', headers })
    expect(answer.body).toBe('globex')
  })
})

describe('attributes of the chain', () => {
  const reads = [
    'chain.origin',
    'chain.originTrustDomain',
    'chain.via',
    'chain.depth',
    'chain.evidence',
  ] as const

  test('are those of the call; without a chain the caller is the origin', async () => {
    const seen: unknown[] = []
    const check = where(
      (it) => {
        seen.push(reads.map((name) => it[name]))
        return true
      },
      { reads: [...reads] },
    )
    const app = await appWith({ anyAuthenticated: true, where: check })
    await ask(app, [WEB, RELAY, CHECKOUT])
    await ask(app, [CHECKOUT])
    await ask(app, [CHECKOUT], { bare: true })
    expect(seen).toEqual([
      [WEB, 'example.org', RELAY, '3', 'signed'],
      [CHECKOUT, 'example.org', '', '1', 'signed'],
      [CHECKOUT, 'example.org', '', '1', undefined],
    ])
  })

  test('are in the key of a cached decision, and it ends with the chain', async () => {
    let now = Date.now()
    let asked = 0
    const check = where(
      (it) => {
        asked++
        return it['chain.origin'] === WEB
      },
      { reads: ['chain.origin'], maxAgeMs: 600_000 },
    )
    const app = await appWith(
      { anyAuthenticated: true, where: check },
      { clock: () => now, cache: { allowTtlMs: 600_000, denyTtlMs: 600_000 } },
    )
    expect(await ask(app, [WEB, CHECKOUT])).toBe('200 allowed')
    expect(await ask(app, [BATCH, CHECKOUT])).toBe('403 condition-false')
    expect(await ask(app, [WEB, CHECKOUT])).toBe('200 allowed')
    expect(asked).toBe(2)
    // Beyond the tokens, whose end bounds what was decided by them.
    now += 121_000
    expect(await ask(app, [WEB, CHECKOUT], { bare: true })).toBe('403 condition-false')
    const before = asked
    await ask(app, [BATCH, CHECKOUT])
    expect(asked).toBe(before + 1)
  })
})

describe('explanations and tables', () => {
  test('say on whose behalf a call may be made', async () => {
    const app = await appWith({ allow: [CHECKOUT], onBehalfOf: [WEB], via: [RELAY] })
    const [row] = app.authz.table().routes
    expect(row).toMatchObject({ onBehalfOf: [WEB], via: [RELAY], evidence: 'signed' })
    const explained = await app.authz.explain({
      method: 'GET',
      route: '/:tenant',
      spiffeId: CHECKOUT,
    })
    expect(explained).toMatchObject({ decision: 'deny', reason: 'origin-not-allowed' })
    expect(explained.findings.at(-1)).toEqual({
      check: 'onBehalfOf',
      what: `${WEB} via ${RELAY} (signed)`,
      outcome: 'does-not-hold',
      reason: 'origin-not-allowed',
    })
  })

  test('events name the origin as well', async () => {
    const app = await appWith({ anyAuthenticated: true })
    using heard = decisions()
    await ask(app, [WEB, CHECKOUT])
    await ask(app, [CHECKOUT], { bare: true })
    expect(heard.events[0]).toMatchObject({ spiffeId: CHECKOUT, origin: WEB })
    expect(heard.events[1]).not.toHaveProperty('origin')
  })
})

describe('a rule is wrong', () => {
  test.each<[string, object]>([
    ['onBehalfOf that admits nobody', { onBehalfOf: [] }],
    ['onBehalfOf that is another word', { onBehalfOf: 'self' }],
    ['via without onBehalfOf', { via: [RELAY] }],
    ['evidence without onBehalfOf', { evidence: 'forwarded' }],
    ["via with 'itself'", { onBehalfOf: 'itself', via: [RELAY] }],
    ['another evidence', { onBehalfOf: [WEB], evidence: 'asserted' }],
    [
      'an attribute of the chain that does not exist',
      { where: where(() => true, { reads: ['chain.scope'] as never }) },
    ],
  ])('with %s', async (_, more) => {
    await expect(appWith({ allow: [WEB], ...more })).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test('with onBehalfOf, or an attribute of the chain, where no plugin brings chains', async () => {
    for (const more of [
      { onBehalfOf: [WEB] },
      { where: where(() => true, { reads: ['chain.origin'] }) },
    ]) {
      const app = Fastify()
      apps.push(app)
      await app.register(peer)
      await app.register(authz)
      const declare = (): unknown =>
        app.get('/', { config: { spiffe: { allow: [WEB], ...more } } }, () => '')
      expect(declare).toThrow(expect.objectContaining({ code: 'invalid-rule' }))
    }
  })
})

describe('evidence', () => {
  test('of a proxy is accepted by a rule that says so, and by no other', async () => {
    const proxies = [
      { id: RELAY, header: 'client-cert', speaksFor: ['spiffe://example.org/**'] },
    ] as const
    const [leaf] = sources.get(WEB)!.svid!.certificates
    const headers = { 'client-cert': `:${leaf!.raw.toString('base64')}:` }
    const statusOf = async (rule: RouteRule, caller = RELAY): Promise<number> => {
      const app = Fastify()
      apps.push(app)
      await app.register(peer)
      await app.register(forwarded, { source: sources.get(LEDGER)!, proxies })
      await app.register(authz)
      app.get('/', { config: { spiffe: rule } }, ({ chain: found }) => String(found?.evidence))
      return (await injectAs(app, caller, { url: '/', headers })).statusCode
    }
    const rule: RouteRule = { allow: [RELAY, CHECKOUT], onBehalfOf: [WEB] }
    expect(await statusOf(rule)).toBe(403)
    expect(await statusOf({ ...rule, evidence: 'signed' })).toBe(403)
    expect(await statusOf({ ...rule, evidence: 'forwarded' })).toBe(200)
    // The header of a peer that is not listed is not read: it has no origin but itself.
    expect(await statusOf({ ...rule, evidence: 'forwarded' }, CHECKOUT)).toBe(403)
    expect(await statusOf({ anyAuthenticated: true, deny: [WEB] })).toBe(403)
  })
})
