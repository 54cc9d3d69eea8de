import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { Authority, type InProcessSource, type SvidTemplate } from '@fastify-spiffe/authority'
import {
  authz,
  type AuthzOptions,
  diffTables,
  type Engine,
  type EngineRequest,
  type PolicyDocument,
  type RouteRule,
  toMarkdown,
  toOpenApi,
} from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { spiffeServer } from '@fastify-spiffe/svid'
import { SvidAgent } from '@fastify-spiffe/tls'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { decisions } from './support/services.ts'

const [SERVER, WEB] = ['spiffe://example.org/acme/orders', 'spiffe://example.org/acme/web']
const FOREIGN = 'spiffe://foreign.test/web'
const DEMAND = { dns: ['web.example.org'] }
const RULE: RouteRule = { allow: [WEB], subjectAltName: DEMAND }

let authority: Authority
let source: InProcessSource
const closing: (() => unknown)[] = []

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source(SERVER)
})

afterEach(async () => {
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (const close of closing.splice(0).toReversed()) await close()
})

afterAll(() => authority.close())

/** An application with one route, that is not listening. */
async function appWith(rule: RouteRule | null, options: AuthzOptions = {}) {
  const app = Fastify(spiffeServer(source))
  closing.push(() => app.close())
  await app.register(peer)
  await app.register(authz, options)
  app.get('/', rule === null ? {} : { config: { spiffe: rule } }, () => 'in')
  return app
}

/** The reason of the decision on one call over TLS, by a caller with such a certificate. */
async function ask(app: FastifyInstance, template: Partial<SvidTemplate>): Promise<string> {
  const url = app.server.listening ? app.listeningOrigin : await app.listen({ port: 0 })
  const svid = await authority.issueX509Svid(WEB, template)
  const agent = new SvidAgent({
    source: new ScriptedSource(svid, source.bundles),
    server: SERVER,
  })
  using heard = decisions()
  try {
    const [response] = await once(https.get(url, { agent }), 'response')
    await text(response)
    const { reason, detail, cached } = heard.events.at(-1)!
    const what = detail === undefined ? reason : `${reason} ${detail}`
    return `${response.statusCode} ${what}${cached ? ' cached' : ''}`
  } finally {
    agent.destroy()
  }
}

/** An engine that allows, and keeps what it was asked. */
function engine(more: Partial<Engine> = {}) {
  const asked: EngineRequest[] = []
  const decide = (request: EngineRequest): boolean => asked.push(request) > 0
  return { asked, it: { name: 'judge', cost: 'io', decide, ...more } satisfies Engine }
}

describe('a route that demands names of the certificate', () => {
  test('lets in a caller whose certificate has them, and no other certificate of that caller', async () => {
    const app = await appWith(RULE)
    expect(await ask(app, { dnsNames: ['WEB.example.org'] })).toBe('200 allowed')
    expect(await ask(app, { dnsNames: ['*.example.org'] })).toBe('200 allowed')
    expect(await ask(app, {})).toBe('403 san-missing dns')
    expect(await ask(app, { dnsNames: ['api.example.org', 'w*.example.org'] })).toBe(
      '403 san-missing dns',
    )
    expect(await ask(app, { dnsNames: ['web.example.org\0.evil.test'] })).toBe(
      '403 san-missing dns',
    )
  })

  test('compares addresses by their octets', async () => {
    const app = await appWith({ allow: [WEB], subjectAltName: { ip: ['192.0.2.1', '::1'] } })
    expect(await ask(app, { ipAddresses: ['192.0.2.1'] })).toBe('200 allowed')
    expect(await ask(app, { ipAddresses: ['0:0:0:0:0:0:0:1'] })).toBe('200 allowed')
    expect(await ask(app, { ipAddresses: ['192.0.2.2'] })).toBe('403 san-missing ip')
    expect(await ask(app, { dnsNames: ['192.0.2.1'] })).toBe('403 san-missing ip')
  })

  test('knows the SPIFFE ID as the only URI', async () => {
    const app = await appWith({
      allow: ['spiffe://example.org/**'],
      subjectAltName: { uri: [WEB] },
    })
    expect(await ask(app, {})).toBe('200 allowed')
  })

  test('lets in nobody whom `allow` does not name', async () => {
    const rule = { allow: [SERVER], subjectAltName: DEMAND }
    expect(await ask(await appWith(rule), { dnsNames: ['web.example.org'] })).toBe(
      '403 not-allowed',
    )
  })

  test('says nothing of the name to the caller', async () => {
    const app = await appWith(RULE)
    const { statusCode, body } = await injectAs(app, WEB, '/')
    expect(statusCode).toBe(403)
    expect(body).not.toContain('example.org')
  })

  test('refuses an application that leaves open of which trust domain the callers are', async () => {
    for (const rule of [{ anyAuthenticated: true }, { allow: [{ not: FOREIGN }] }] as const) {
      const app = Fastify(spiffeServer(source))
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await app.register(peer)
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await app.register(authz)
      expect(() =>
        app.get('/', { config: { spiffe: { ...rule, subjectAltName: DEMAND } } }, () => ''),
      ).toThrow(expect.objectContaining({ code: 'invalid-rule' }))
      // oxlint-disable-next-line no-await-in-loop -- one after another
      await app.close()
    }
  })
})

describe('a cached decision', () => {
  test('of an engine lets in no certificate without the name, although its SPIFFE ID is the same', async () => {
    const { it, asked } = engine()
    const app = await appWith({ ...RULE, engines: ['judge'] }, { engines: [it] })
    expect(await ask(app, { dnsNames: ['web.example.org'] })).toBe('200 allowed')
    expect(await ask(app, { dnsNames: ['web.example.org'] })).toBe('200 allowed cached')
    expect(await ask(app, {})).toBe('403 san-missing dns')
    expect(asked).toHaveLength(1)
  })

  test('has the names in its key where they were read', async () => {
    const { it, asked } = engine({ reads: ['subjectAltName.dns', 'subjectAltName.ip'] })
    const app = await appWith({ allow: [WEB], engines: ['judge'] }, { engines: [it] })
    const names = { dnsNames: ['b.example.org', 'a.example.org'], ipAddresses: ['192.0.2.1'] }
    expect(await ask(app, names)).toBe('200 allowed')
    expect(await ask(app, names)).toBe('200 allowed cached')
    expect(await ask(app, { dnsNames: ['b.example.org'] })).toBe('200 allowed')
    expect(await ask(app, {})).toBe('200 allowed')
    expect(asked.map(({ attributes }) => attributes['subjectAltName.dns'])).toEqual([
      'a.example.org b.example.org',
      'b.example.org',
      '',
    ])
    expect(asked[0]!.attributes['subjectAltName.ip']).toBe('192.0.2.1')
  })

  test('is none where the certificate has too many names to be read', async () => {
    const { it, asked } = engine({ reads: ['subjectAltName.dns'] })
    const app = await appWith({ allow: [WEB], engines: ['judge'] }, { engines: [it] })
    const dnsNames = Array.from({ length: 256 }, (_, index) => `n${index}.example.org`)
    expect(await ask(app, { dnsNames })).toBe('403 ambiguous-attribute')
    expect(asked).toEqual([])
  })

  test('needs the name of a list that there is', async () => {
    const where = { attribute: 'subjectAltName.uri', present: true } as never
    await expect(appWith({ allow: [WEB], where })).rejects.toMatchObject({ code: 'invalid-rule' })
  })
})

describe('a policy document', () => {
  const policy: PolicyDocument = {
    roles: { web: [WEB] },
    prefixes: { '/': { roles: ['web'], subjectAltName: [DEMAND, { ip: ['2001:DB8::1'] }] } },
    tests: [
      { route: 'GET /', as: WEB, expect: 'deny' },
      {
        route: 'GET /',
        as: WEB,
        subjectAltName: { dns: ['*.example.org'], ip: ['2001:db8::1'] },
        expect: 'allow',
      },
    ],
  }

  test('demands names as a rule in code does, and tests that it does', async () => {
    const app = await appWith(null, { policy })
    const names = { dnsNames: ['web.example.org'], ipAddresses: ['2001:db8::1'] }
    expect(await ask(app, names)).toBe('200 allowed')
    expect(await ask(app, { dnsNames: ['web.example.org'] })).toBe('403 san-missing ip')
    const careless = { ...policy, prefixes: { '/': { roles: ['web'] } } }
    await expect(app.authz.reload(careless)).rejects.toMatchObject({ code: 'policy-test-failed' })
  })

  test.each<[string, object]>([
    ['a name that no certificate is read by', { as: WEB, subjectAltName: { dns: ['w*.test'] } }],
    ['a kind that there is not', { as: WEB, subjectAltName: { uri: [WEB] } }],
    ['names of nobody', { as: null, subjectAltName: { dns: ['a.test'] } }],
    ['names by attributes', { as: WEB, attributes: { 'subjectAltName.dns': 'web.example.org' } }],
    ['too many names', { as: WEB, subjectAltName: { dns: Array<string>(256).fill('a.test') } }],
  ])('is refused where a test states %s', async (_name, more) => {
    const tests = [{ route: 'GET /', expect: 'deny', ...more }] as never
    const booted = appWith(null, { policy: { ...policy, tests } }).then((app) => app.ready())
    await expect(booted).rejects.toMatchObject({ code: 'invalid-rule' })
  })
})

describe('an explanation', () => {
  const finding = { check: 'subjectAltName', what: 'dns web.example.org' } as const

  test('says what became of the demand', async () => {
    const app = await appWith(RULE)
    await app.ready()
    const about = { method: 'GET', route: '/', spiffeId: WEB }
    const refused = await app.authz.explain(about)
    expect(refused).toMatchObject({ decision: 'deny', reason: 'san-missing' })
    expect(refused.findings.at(-1)).toEqual({
      ...finding,
      outcome: 'does-not-hold',
      reason: 'san-missing',
    })
    const stated = { ...about, subjectAltName: { dns: ['*.example.org'] } }
    const allowed = await app.authz.explain(stated)
    expect(allowed.findings.at(-1)).toEqual({ ...finding, outcome: 'holds' })
    const other = await app.authz.explain({ ...stated, spiffeId: SERVER })
    expect(other.findings.at(-1)).toEqual({ ...finding, outcome: 'not-asked' })
  })

  test('comes before conditions and engines, which keep their numbers', async () => {
    const { it } = engine()
    const where = { attribute: 'method', equals: 'GET' } as const
    const app = await appWith({ ...RULE, where, engines: ['judge'] }, { engines: [it] })
    await app.ready()
    const { findings } = await app.authz.explain({ method: 'GET', route: '/', spiffeId: WEB })
    expect(findings.map(({ check }) => check)).toEqual([
      'allow[0]',
      'subjectAltName',
      'where[0]',
      'engines[0]',
    ])
  })

  test('is refused of names that no certificate is read by', async () => {
    const app = await appWith(RULE)
    await app.ready()
    const about = { method: 'GET', route: '/', spiffeId: WEB, subjectAltName: { dns: ['*'] } }
    await expect(app.authz.explain(about)).rejects.toMatchObject({ code: 'invalid-rule' })
  })
})

describe('the table', () => {
  test('has the names in canonical form, and a review sees them change', async () => {
    const names = [{ dns: ['WEB.example.org', 'b.example.org'], uri: [WEB] }, { ip: ['::0'] }]
    const app = await appWith({ allow: [WEB], subjectAltName: names })
    await app.ready()
    const table = app.authz.table()
    const canonical = [{ dns: ['web.example.org', 'b.example.org'], uri: [WEB] }, { ip: ['::'] }]
    expect(table.routes[0]).toMatchObject({ subjectAltName: canonical, where: [] })
    expect(toMarkdown(table)).toContain(`| names of the certificate |`)
    expect(toMarkdown(table)).toContain(
      `| dns \`web.example.org\` or \`b.example.org\`<br>uri \`${WEB}\`<br>ip \`::\` |`,
    )
    expect(toOpenApi(table).paths['/']?.['get']?.['x-spiffe-authz'][0]).toMatchObject({
      subjectAltName: canonical,
    })
    const plain = await appWith({ allow: [WEB] })
    await plain.ready()
    const { changed } = diffTables(table, plain.authz.table())
    expect(changed[0]?.fields.map(({ field }) => field)).toEqual(['subjectAltName'])
    expect(toMarkdown(plain.authz.table())).not.toContain('certificate')
  })
})

test('a presented caller of a unit test has the names that the test gives it', async () => {
  const app = await appWith(RULE)
  const named = { spiffeId: WEB, subjectAltNames: { dns: ['web.example.org'] } }
  expect((await injectAs(app, named, '/')).statusCode).toBe(200)
  expect((await injectAs(app, WEB, '/')).statusCode).toBe(403)
})
