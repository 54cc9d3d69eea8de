import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import {
  authz,
  type AuthzOptions,
  type DecisionLogEvent,
  type Engine,
  type EngineRequest,
  type Explanation,
  type PolicyDocument,
  type RouteRule,
  toMarkdown,
} from '@fastify-spiffe/authz'
import { chain } from '@fastify-spiffe/chain'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { chainHeadersOf } from './support/chain-headers.ts'

const ID = (path: string): string => `spiffe://example.org/${path}`
const [WEB, BATCH, OTHER] = [ID('acme/web'), ID('acme/batch'), ID('globex/web')]
const [CHECKOUT, RELAY, LEDGER] = [ID('acme/checkout'), ID('acme/relay'), ID('acme/ledger')]
const RULE: RouteRule = { allow: [WEB, CHECKOUT], onBehalfOf: [WEB], via: [RELAY] }
const ABOUT = { method: 'GET', route: '/:tenant', spiffeId: CHECKOUT }

let authority: Authority
const sources = new Map<string, InProcessSource>()
const apps: FastifyInstance[] = []

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  for (const id of [WEB, BATCH, CHECKOUT, RELAY, LEDGER]) {
    sources.set(id, await authority.source(id))
  }
})

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

afterAll(() => authority.close())

interface Setting {
  readonly options?: AuthzOptions
  readonly hasChains?: boolean
  /** What the handler does. */
  readonly handler?: (explain: () => Promise<Explanation>) => unknown
}

async function appWith(rule: RouteRule | null, setting: Setting = {}): Promise<FastifyInstance> {
  const { options = {}, hasChains = true, handler = () => 'in' } = setting
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  if (hasChains) await app.register(chain, { source: sources.get(LEDGER)! })
  await app.register(authz, options)
  app.get('/:tenant', rule === null ? {} : { config: { spiffe: rule } }, (request) =>
    handler(() => app.authz.explain(request)),
  )
  return app
}

/** An application that is ready. */
async function ready(rule: RouteRule, setting: Setting = {}): Promise<FastifyInstance> {
  const app = await appWith(rule, setting)
  await app.ready()
  return app
}

function ask(app: FastifyInstance, path: readonly string[]): Promise<{ body: string }> {
  const headers = chainHeadersOf(sources, path, LEDGER)
  return injectAs(app, path.at(-1)!, { url: '/acme', headers })
}

describe('an explanation', () => {
  test('of a call on behalf of an origin says what it comes to, and on whose behalf it is', async () => {
    const app = await ready(RULE)
    const direct = await app.authz.explain({ ...ABOUT, chain: { origin: WEB } })
    expect(direct).toMatchObject({
      decision: 'allow',
      chain: { origin: WEB, via: [], evidence: 'signed' },
    })
    expect(direct.findings.at(-1)).toMatchObject({ check: 'onBehalfOf', outcome: 'holds' })
    const outcomes = [
      { origin: WEB, via: [RELAY] },
      { origin: WEB, via: [BATCH] },
      { origin: BATCH },
      { origin: WEB, evidence: 'forwarded' },
      { origin: CHECKOUT },
    ] as const
    const reasons = outcomes.map(async (stated) => {
      const { reason, chain: printed } = await app.authz.explain({ ...ABOUT, chain: stated })
      expect(printed).toEqual({ via: [], evidence: 'signed', ...stated })
      return reason
    })
    expect(await Promise.all(reasons)).toEqual([
      'allowed',
      'via-not-allowed',
      'origin-not-allowed',
      'evidence-not-allowed',
      'origin-not-allowed',
    ])
    expect((await app.authz.explain(ABOUT)).chain).toBeNull()
  })

  test('of a request that has arrived says on whose behalf it is', async () => {
    const app = await ready(RULE, { handler: (explain) => explain() })
    const explained = JSON.parse((await ask(app, [WEB, RELAY, CHECKOUT])).body)
    expect(explained).toMatchObject({
      decision: 'allow',
      chain: { origin: WEB, via: [RELAY], evidence: 'signed' },
    })
    expect(JSON.parse((await injectAs(app, WEB, '/acme')).body)).toMatchObject({ chain: null })
  })

  test('says which entry of deny names the caller, the origin, or one between them', async () => {
    const app = await ready({ anyAuthenticated: true, deny: [BATCH, OTHER] })
    const explained = (origin: string, via: string[] = []): Promise<Explanation> =>
      app.authz.explain({ ...ABOUT, chain: { origin, via } })
    for (const refused of [await explained(BATCH), await explained(WEB, [BATCH])]) {
      expect(refused.reason).toBe('denied')
      expect(refused.findings.map(({ outcome }) => outcome)).toEqual(['matches', 'does-not-match'])
    }
    expect((await explained(WEB)).findings.map(({ outcome }) => outcome)).toEqual([
      'does-not-match',
      'does-not-match',
    ])
  })

  test('knows allow as a list of callers alone', async () => {
    const app = await ready({ allow: [WEB] })
    const { reason, findings } = await app.authz.explain({ ...ABOUT, chain: { origin: WEB } })
    expect([reason, findings[0]?.outcome]).toEqual(['not-allowed', 'does-not-match'])
  })

  test('asks conditions and engines about the chain and the tenant of the origin', async () => {
    const asked: EngineRequest[] = []
    const judge: Engine = {
      name: 'judge',
      cost: 'io',
      reads: ['chain.origin', 'chain.via', 'chain.depth', 'chain.evidence', 'tenant'],
      decide: (request) => asked.push(request) > 0,
    }
    const options: AuthzOptions = {
      tenant: '/{tenant}/{workload}',
      tenants: { trustDomain: 'example.org' },
      tenantOf: 'origin',
      engines: [judge],
    }
    const where = { attribute: 'chain.origin', equals: OTHER } as const
    const rule = {
      anyAuthenticated: true,
      tenant: 'params.tenant',
      where,
      engines: ['judge'],
    } as const
    const app = await ready(rule, { options })
    const about = { ...ABOUT, attributes: { 'params.tenant': 'globex' } }
    const stated = { ...about, chain: { origin: OTHER, via: [RELAY] } }
    expect((await app.authz.explain(stated)).decision).toBe('allow')
    const { tenant, attributes } = asked[0]!
    expect([tenant?.name, { ...attributes }]).toMatchObject([
      'globex',
      {
        'chain.origin': OTHER,
        'chain.via': RELAY,
        'chain.depth': '3',
        'chain.evidence': 'signed',
        tenant: { name: 'globex' },
      },
    ])
    expect((await app.authz.explain(about)).reason).toBe('tenant-mismatch')
  })

  test.each<[string, object]>([
    ['an origin that is no workload', { chain: { origin: 'spiffe://example.org' } }],
    ['no origin', { chain: { via: [RELAY] } }],
    ['a pattern between', { chain: { origin: WEB, via: ['spiffe://example.org/*'] } }],
    ['another evidence', { chain: { origin: WEB, evidence: 'asserted' } }],
    ['what a chain does not have', { chain: { origin: WEB, depth: 2 } }],
    ['a chain of nobody', { spiffeId: null, chain: { origin: WEB } }],
    ['names of nobody', { spiffeId: null, subjectAltName: { dns: ['a.test'] } }],
    ['a chain by attributes', { attributes: { 'chain.origin': WEB } }],
  ])('is refused of %s', async (_name, more) => {
    const app = await ready(RULE)
    const about = { ...ABOUT, ...more }
    await expect(app.authz.explain(about)).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test('is refused of a chain where calls carry none', async () => {
    const app = await ready({ allow: [WEB] }, { hasChains: false })
    const about = { ...ABOUT, chain: { origin: WEB } }
    await expect(app.authz.explain(about)).rejects.toMatchObject({ code: 'invalid-rule' })
  })
})

describe('the tests of a policy document', () => {
  const policy: PolicyDocument = { routes: { 'GET /:tenant': RULE } }
  const route = 'GET /:tenant'
  const of = (...tests: readonly object[]): AuthzOptions => ({
    policy: { ...policy, tests: tests as never },
  })
  const allowed = { route, as: CHECKOUT, chain: { origin: WEB, via: [RELAY] }, expect: 'allow' }

  test('state calls on behalf of an origin', async () => {
    const denied = [
      { route, as: CHECKOUT, expect: 'deny' },
      { route, as: CHECKOUT, chain: { origin: BATCH }, expect: 'deny' },
      { route, as: CHECKOUT, chain: { origin: WEB, via: [BATCH] }, expect: 'deny' },
      { route, as: CHECKOUT, chain: { origin: WEB, evidence: 'forwarded' }, expect: 'deny' },
      { route, as: BATCH, chain: { origin: WEB }, expect: 'deny' },
    ]
    await (await appWith(null, { options: of(allowed, ...denied) })).ready()
  })

  test('say on whose behalf the call was that came out otherwise', async () => {
    const failing = { ...allowed, chain: { origin: BATCH, via: [RELAY], evidence: 'forwarded' } }
    const app = await appWith(null, { options: of(failing) })
    await expect(app.ready()).rejects.toMatchObject({
      code: 'policy-test-failed',
      message: expect.stringContaining(
        `as ${CHECKOUT} on behalf of ${BATCH}, via ${RELAY} (forwarded): expected allow, got deny`,
      ),
    })
  })

  test('know whom an enforced rule around one in shadow mode denies on behalf of whom', async () => {
    const prefixes = { '/': { anyAuthenticated: true, deny: [BATCH] } } as const
    const routes = { 'GET /:tenant': { allow: [OTHER], mode: 'shadow' } } as const
    const tests = [
      { route: 'GET /:tenant', as: CHECKOUT, expect: 'allow' },
      { route: 'GET /:tenant', as: CHECKOUT, chain: { origin: BATCH }, expect: 'deny' },
    ] as const
    await (await appWith(null, { options: { policy: { prefixes, routes, tests } } })).ready()
  })

  test('cannot state a chain where calls carry none', async () => {
    const rule = { allow: [CHECKOUT] }
    const tests = [allowed] as never
    const options = { policy: { routes: { 'GET /:tenant': rule }, tests } }
    const app = await appWith(null, { options, hasChains: false })
    await expect(app.ready()).rejects.toMatchObject({
      code: 'policy-test-failed',
      message: expect.stringContaining('has a chain, and calls carry none'),
    })
  })
})

/** What is recorded of one call. */
async function recorded(
  path: readonly string[] | null,
  mask: readonly string[] = [],
): Promise<DecisionLogEvent> {
  const events: DecisionLogEvent[] = []
  const write = (batch: readonly DecisionLogEvent[]): void => void events.push(...batch)
  const app = await appWith(RULE, {
    options: { decisionLog: { write, mask, allowSampleRate: 1 } },
  })
  if (path === null) await injectAs(app, null, '/acme')
  else await ask(app, path)
  await app.close()
  expect(events).toHaveLength(1)
  return events[0]!
}

describe('the decision log', () => {
  test('says on whose behalf a call was decided', async () => {
    expect((await recorded([WEB, RELAY, CHECKOUT])).input).toMatchObject({
      spiffe_id: CHECKOUT,
      origin: WEB,
      via: [RELAY],
      evidence: 'signed',
      chain_depth: 3,
    })
    expect(await recorded([BATCH, CHECKOUT])).toMatchObject({
      input: { spiffe_id: CHECKOUT, origin: BATCH, via: [], chain_depth: 2 },
      result: { allow: false, reason: 'origin-not-allowed' },
    })
  })

  test('says nothing of a chain where there is none', async () => {
    const { input } = await recorded(null)
    expect(Object.keys(input)).toEqual(['method', 'route', 'spiffe_id', 'trust_domain', 'tenant'])
  })

  test('leaves out what is masked', async () => {
    const mask = ['/input/origin', '/input/via', '/input/chain_depth']
    const { input, erased } = await recorded([WEB, RELAY, CHECKOUT], mask)
    expect(JSON.stringify(input)).not.toContain(WEB)
    expect(JSON.stringify(input)).not.toContain(RELAY)
    expect(erased).toEqual(mask)
  })
})

test('the Markdown table says on whose behalf callers may call', async () => {
  const app = await ready({ ...RULE, evidence: 'forwarded' })
  const markdown = toMarkdown(app.authz.table())
  expect(markdown).toContain('| on behalf of |')
  expect(markdown).toContain(`| \`${WEB}\`<br>via \`${RELAY}\`<br>as proxies say |`)
})
