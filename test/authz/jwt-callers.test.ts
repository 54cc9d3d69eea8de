import { generateKeyPairSync, sign } from 'node:crypto'
import {
  authz,
  type AuthzOptions,
  diffTables,
  type Engine,
  type RouteRule,
  toMarkdown,
  where,
} from '@fastify-spiffe/authz'
import { chain, Chains } from '@fastify-spiffe/chain'
import { Authority } from '@fastify-spiffe/authority'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { BundleSet, JwtBundle, TrustDomain } from '@fastify-spiffe/spiffe'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { decisions } from './support/services.ts'

const WEB = 'spiffe://example.org/acme/web'
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }] })
const source = {
  jwtBundles: BundleSet.of(JwtBundle.fromJwks(TrustDomain.parse('example.org'), jwks)),
}
const closing: (() => unknown)[] = []

afterEach(async () => {
  // oxlint-disable-next-line no-await-in-loop -- one after another
  for (const close of closing.splice(0).toReversed()) await close()
})

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')

function tokenOf(claims: object = {}): string {
  const all = { sub: WEB, aud: ['orders'], exp: Math.floor(Date.now() / 1000) + 300, ...claims }
  const input = `${encode({ alg: 'ES256', kid: 'k1' })}.${encode(all)}`
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

interface Setup {
  readonly options?: AuthzOptions
  readonly clock?: () => number
  readonly url?: string
  readonly before?: (app: FastifyInstance) => Promise<void>
}

/** An application with one route, whose callers come with tokens, or as the test kit presents them. */
async function appWith(rule: RouteRule, setup: Setup = {}) {
  const { options = {}, clock = Date.now, before, url = '/' } = setup
  const app = Fastify()
  closing.push(() => app.close())
  await app.register(peer, { clock, jwt: { audience: 'orders', source } })
  await before?.(app)
  await app.register(authz, { clock, ...options })
  app.get(url, { config: { spiffe: rule } }, () => 'in')
  await app.ready()
  return app
}

/** What becomes of a request with a token, and the decision about it. */
async function askWith(app: FastifyInstance, token: string | null, url = '/', headers = {}) {
  using heard = decisions()
  const authorization = token === null ? {} : { authorization: `Bearer ${token}` }
  const answer = await app.inject({ url, headers: { ...authorization, ...headers } })
  const [event] = heard.events
  const challenge = answer.headers['www-authenticate']
  return { status: answer.statusCode, reason: event?.reason, proof: event?.proof, challenge, event }
}

describe('a caller with a token', () => {
  test('is let in by the rules that let its SPIFFE ID in, and nowhere else', async () => {
    const app = await appWith({ allow: [WEB] })
    expect(await askWith(app, tokenOf())).toMatchObject({ status: 200, proof: 'jwt-svid' })
    const other = await askWith(app, tokenOf({ sub: 'spiffe://example.org/acme/api' }))
    expect(other).toMatchObject({ status: 403, reason: 'not-allowed', challenge: undefined })
  })

  test('without its token is told that one would help', async () => {
    const app = await appWith({ allow: [WEB] })
    const answer = await askWith(app, null)
    expect(answer).toMatchObject({ status: 401, reason: 'no-identity', challenge: 'Bearer' })
    expect(answer.event).not.toHaveProperty('proof')
  })

  test('has the tenant and the captures of its SPIFFE ID', async () => {
    const rule: RouteRule = {
      allow: ['spiffe://example.org/{team}/web'],
      tenant: 'params.tenant',
      where: where((it) => it['captures.team'] === 'acme', { reads: ['captures.team'] }),
    }
    const options = {
      tenant: '/{tenant}/{workload}',
      tenants: { trustDomain: 'example.org' },
    } as const
    const app = await appWith(rule, { options, url: '/:tenant' })
    expect((await askWith(app, tokenOf(), '/acme')).status).toBe(200)
    expect((await askWith(app, tokenOf(), '/globex')).reason).toBe('tenant-mismatch')
  })

  test('has no names of a certificate', async () => {
    const app = await appWith({ allow: [WEB], subjectAltName: { dns: ['web.example.org'] } })
    const answer = await askWith(app, tokenOf())
    expect(answer).toMatchObject({ status: 403, reason: 'san-missing' })
    expect(answer.event?.detail).toBe('no-certificate')
  })

  test('can continue no chain of calls, although it is its own', async () => {
    const authority = await Authority.create({ trustDomain: 'example.org' })
    closing.push(() => authority.close())
    const [web, orders] = await Promise.all(
      [WEB, 'spiffe://example.org/acme/orders'].map((id) => authority.source(id)),
    )
    const before = async (app: FastifyInstance): Promise<void> => {
      await app.register(chain, { source: orders! })
    }
    const app = await appWith({ allow: [WEB] }, { before })
    const ours = 'spiffe://example.org/acme/orders'
    const headers = { ...new Chains({ source: web!, handTo: [ours] }).headersFor(ours, null) }
    expect((await askWith(app, tokenOf(), '/', headers)).status).toBe(401)
    expect((await injectAs(app, WEB, { url: '/', headers })).statusCode).toBe(200)
    expect((await askWith(app, tokenOf())).status).toBe(200)
  })
})

describe('a decision about a caller with a token', () => {
  test('that an engine has made ends with the token, and the next is made anew', async () => {
    let now = Date.now()
    let asked = 0
    const engine: Engine = { name: 'counter', cost: 'io', decide: () => ++asked > 0 }
    const options: AuthzOptions = { engines: [engine], cache: { allowTtlMs: 600_000 } }
    const app = await appWith({ allow: [WEB], engines: ['counter'] }, { options, clock: () => now })
    const exp = Math.floor(now / 1000) + 60
    const short = tokenOf({ exp })
    await askWith(app, short)
    expect((await askWith(app, short)).event?.cached).toBe(true)
    expect(asked).toBe(1)
    now = exp * 1000
    expect((await askWith(app, short)).status).toBe(401)
    expect((await askWith(app, tokenOf())).status).toBe(200)
    expect(asked).toBe(2)
  })

  test('is a refusal if the token has expired while the engine was asked', async () => {
    let now = Date.now()
    const engine: Engine = {
      name: 'slow',
      cost: 'io',
      decide: async () => {
        now += 301_000
        return true
      },
    }
    const app = await appWith(
      { allow: [WEB], engines: ['slow'] },
      { options: { engines: [engine] }, clock: () => now },
    )
    const answer = await askWith(app, tokenOf())
    expect(answer).toMatchObject({ status: 401, reason: 'identity-expired' })
  })
})

const CERTIFIED: RouteRule = { allow: [WEB], proof: 'x509-svid' }

describe('a rule that demands a proof', () => {
  test.each<[RouteRule['proof'], number, number]>([
    [undefined, 200, 200],
    ['x509-svid', 200, 403],
    [['x509-svid'], 200, 403],
    ['jwt-svid', 403, 200],
    [['x509-svid', 'jwt-svid'], 200, 200],
  ])('%j lets in a certificate: %d, a token: %d', async (proof, certified, withToken) => {
    const app = await appWith({ allow: [WEB], ...(proof !== undefined && { proof }) })
    expect((await injectAs(app, WEB, '/')).statusCode).toBe(certified)
    const answer = await askWith(app, tokenOf())
    expect(answer.status).toBe(withToken)
    if (withToken === 403) expect(answer.reason).toBe('proof-not-allowed')
    const presented = { spiffeId: WEB, proof: 'jwt-svid' } as const
    expect((await injectAs(app, presented, '/')).statusCode).toBe(withToken)
  })

  test('is asked at each call, whatever an engine has decided for the other proof', async () => {
    const engine: Engine = { name: 'yes', cost: 'io', decide: () => true }
    const options: AuthzOptions = { engines: [engine] }
    const app = await appWith({ ...CERTIFIED, engines: ['yes'] }, { options })
    expect((await injectAs(app, WEB, '/')).statusCode).toBe(200)
    expect((await askWith(app, tokenOf())).reason).toBe('proof-not-allowed')
  })

  test('can be read by conditions, by which decisions are told apart', async () => {
    const seen: unknown[] = []
    const check = (attributes: { readonly proof: string }): boolean => {
      seen.push(attributes.proof)
      return attributes.proof === 'x509-svid'
    }
    const condition = where(check, { reads: ['proof'], maxAgeMs: 60_000 })
    const app = await appWith({ allow: [WEB], where: condition })
    for (let index = 0; index < 2; index++) {
      expect((await injectAs(app, WEB, '/')).statusCode).toBe(200)
      expect((await askWith(app, tokenOf())).reason).toBe('condition-false')
    }
    expect(new Set(seen)).toEqual(new Set(['x509-svid', 'jwt-svid']))
  })

  test('shows in explanations, tables and differences', async () => {
    const app = await appWith(CERTIFIED)
    const about = { method: 'GET', route: '/', spiffeId: WEB }
    expect(await app.authz.explain(about)).toMatchObject({ decision: 'allow' })
    const refused = await app.authz.explain({ ...about, proof: 'jwt-svid' })
    expect(refused).toMatchObject({ decision: 'deny', reason: 'proof-not-allowed' })
    expect(refused.findings).toContainEqual({
      check: 'proof',
      what: 'x509-svid',
      outcome: 'does-not-hold',
      reason: 'proof-not-allowed',
    })
    const table = app.authz.table()
    expect(table.routes[0]).toMatchObject({ proof: ['x509-svid'] })
    expect(toMarkdown(table)).toContain('| proven by |')
    const open = (await appWith({ allow: [WEB] })).authz.table()
    expect(toMarkdown(open)).not.toContain('proven by')
    expect(JSON.stringify(diffTables(open, table))).toContain('proof')
    await expect(
      app.authz.explain({ ...about, proof: 'jwt-svid', subjectAltName: {} }),
    ).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test('stands in policy documents and their tests', async () => {
    const policy = (expected: 'allow' | 'deny') => ({
      version: '1',
      routes: { 'GET /': CERTIFIED },
      tests: [
        { route: 'GET /', as: WEB, expect: 'allow' },
        { route: 'GET /', as: WEB, proof: 'jwt-svid', expect: expected },
      ],
    })
    const start = async (expected: 'allow' | 'deny'): Promise<void> => {
      const app = Fastify()
      closing.push(() => app.close())
      await app.register(peer, { jwt: { audience: 'orders', source } })
      await app.register(authz, { policy: policy(expected) } as unknown as AuthzOptions)
      app.get('/', () => 'in')
      await app.ready()
    }
    await start('deny')
    await expect(start('allow')).rejects.toMatchObject({
      code: 'policy-test-failed',
      message: expect.stringContaining(`${WEB} by jwt-svid: expected allow, got deny`),
    })
  })

  test.each([[[]], ['jwt'], [['x509-svid', 'test-kit']], [null], [{}]])(
    'that is %j does not boot',
    async (proof) => {
      const rule = { allow: [WEB], proof } as unknown as RouteRule
      await expect(appWith(rule)).rejects.toMatchObject({ code: 'invalid-rule' })
    },
  )

  test('does not boot beside public', async () => {
    const rule = { public: { reason: 'x' }, proof: 'x509-svid' } as const
    await expect(appWith(rule)).rejects.toMatchObject({ code: 'invalid-rule' })
  })
})
