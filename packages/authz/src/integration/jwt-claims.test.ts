// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { type CryptoKey, exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose'
import { authz, where } from '../index.ts'
import { jwtClaims, type JwtClaimsOptions } from '@fastify-spiffe/policy/jwt'

const WEB = 'spiffe://example.org/acme/web'
const ISSUER = 'https://issuer.test'
const AUDIENCE = 'orders'

interface Signer {
  readonly kid: string
  readonly key: CryptoKey
  readonly jwk: object
}

async function signer(kid: string, alg = 'ES256'): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg)
  return { kid, key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } }
}

let folder: string
let file: string
let first: Signer
let second: Signer
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'authz-jwt-'))
  file = join(folder, 'jwks.json')
  ;[first, second] = await Promise.all([signer('first'), signer('second')])
  await writeFile(file, JSON.stringify({ keys: [first.jwk] }))
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

const apps: FastifyInstance[] = []
const servers: Server[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
  for (const server of servers.splice(0)) server.close()
})

interface TokenShape {
  readonly by?: Signer
  readonly claims?: Record<string, unknown>
  readonly header?: Partial<JWTHeaderParameters>
}

/** A good token, but for what the shape says. */
function token({ by = first, claims = {}, header = {} }: TokenShape = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  const payload = { iss: ISSUER, aud: AUDIENCE, exp: now + 300, scope: 'read', ...claims }
  return new SignJWT(payload)
    .setProtectedHeader({ alg: 'ES256', kid: by.kid, ...header })
    .sign(by.key, { crit: { b64: true, odd: true } })
}

/** A service that lets in tokens with the scope `read`. */
async function service(options: Partial<JwtClaimsOptions> = {}) {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  const provider = jwtClaims({
    issuer: ISSUER,
    audience: AUDIENCE,
    algorithms: ['ES256'],
    jwks: { file },
    ...options,
  })
  const clock = options.clock ?? Date.now
  // The first `fetch` of a process takes long on a machine that is busy.
  await app.register(authz, { attributes: [provider], clock, timeoutMs: 10_000 })
  const seen: unknown[] = []
  const reads = where(
    (it) => {
      seen.push({ ...it })
      return it['jwt.scope'] === 'read'
    },
    { reads: ['jwt.scope', 'jwt.level', 'jwt.roles', 'jwt.toString'] },
  )
  app.get('/', { config: { spiffe: { anyAuthenticated: true, where: reads } } }, () => 'in')
  const ask = async (bearer?: string, name = 'authorization'): Promise<number> => {
    const headers = bearer === undefined ? {} : { [name]: bearer }
    return (await injectAs(app, WEB, { url: '/', headers })).statusCode
  }
  return { app, ask, seen }
}

describe('a token', () => {
  test('that is good brings its claims', async () => {
    const { ask, seen } = await service()
    const claims = { level: 3, roles: ['a', 'b'] }
    expect(await ask(`Bearer ${await token({ claims })}`)).toBe(200)
    expect(seen).toEqual([
      {
        'jwt.scope': 'read',
        'jwt.level': '3',
        'jwt.roles': '["a","b"]',
        'jwt.toString': undefined,
      },
    ])
    expect(await ask(`bearer ${await token({ claims: { scope: 'write' } })}`)).toBe(403)
  })

  test.each<[string, TokenShape]>([
    ['of another issuer', { claims: { iss: 'https://other.test' } }],
    ['for another audience', { claims: { aud: 'billing' } }],
    ['for no audience', { claims: { aud: undefined } }],
    ['of no issuer', { claims: { iss: undefined } }],
    ['that has expired', { claims: { exp: 1_000_000 } }],
    ['that never expires', { claims: { exp: undefined } }],
    ['that is not valid yet', { claims: { nbf: Math.floor(Date.now() / 1000) + 1000 } }],
    ['with a critical extension', { header: { crit: ['odd'], odd: 1 } }],
    ['whose payload is not encoded', { header: { crit: ['b64'], b64: true } }],
  ])('%s is refused with 401', async (_, shape) => {
    const { ask } = await service()
    expect(await ask(`Bearer ${await token()}`)).toBe(200)
    expect(await ask(`Bearer ${await token(shape)}`)).toBe(401)
  })

  test('of an unknown key, or signed by another key of the same name, is refused', async () => {
    const { ask } = await service()
    expect(await ask(`Bearer ${await token({ by: second })}`)).toBe(401)
    expect(await ask(`Bearer ${await token({ by: { ...second, kid: 'first' } })}`)).toBe(401)
  })

  test.each(['EdDSA', 'Ed25519'] as const)(
    'by the algorithm that it calls %s is good where that name counts',
    async (alg) => {
      const jwks = { file: join(folder, `${alg}.json`) }
      const by = await signer(alg, alg)
      await writeFile(jwks.file, JSON.stringify({ keys: [by.jwk] }))
      const bearer = await token({ by, header: { alg } })
      const { ask } = await service({ jwks, algorithms: [alg] })
      expect(await ask(bearer)).toBe(200)
      const other = alg === 'EdDSA' ? 'Ed25519' : 'EdDSA'
      const { ask: askOther } = await service({ jwks, algorithms: [other] })
      expect(await askOther(bearer)).toBe(401)
    },
  )

  test('that chooses its own algorithm is refused', async () => {
    const { ask } = await service()
    const [, payload] = (await token()).split('.')
    const header = (alg: string): string =>
      Buffer.from(JSON.stringify({ alg, kid: 'first' })).toString('base64url')
    for (const alg of ['none', 'HS256', 'ES384', 'RS256']) {
      expect(await ask(`Bearer ${header(alg)}.${payload}.`)).toBe(401)
      expect(await ask(`Bearer ${header(alg)}.${payload}.AAAA`)).toBe(401)
    }
  })

  test.each(['', 'Bearer', 'Bearer ', 'Bearer a.b', 'Bearer a.b.c', `Bearer ${'x'.repeat(9000)}`])(
    'that is none (%#) is refused',
    async (bearer) => {
      const { ask } = await service()
      expect(await ask(bearer)).toBe(401)
    },
  )

  test('that is changed by one octet is refused', async () => {
    const { ask } = await service()
    const good = await token()
    for (let at = 10; at < good.length; at += 37) {
      const octet = good[at] === 'A' ? 'B' : 'A'
      const bad = good.slice(0, at) + octet + good.slice(at + 1)
      expect(await ask(`Bearer ${bad}`)).toBe(401)
    }
  })

  test('that is not there is refused, or brings nothing where it is not required', async () => {
    expect(await (await service()).ask()).toBe(401)
    const { ask, seen } = await service({ required: false })
    expect(await ask()).toBe(403)
    expect(seen).toMatchObject([{ 'jwt.scope': undefined }])
    expect(await ask('Bearer nonsense')).toBe(401)
  })

  test('can come in another header', async () => {
    const { ask } = await service({ header: 'x-token' })
    expect(await ask(await token(), 'x-token')).toBe(200)
    expect(await ask(await token())).toBe(401)
  })

  test('is good no longer than it says, and neither is a decision by it', async () => {
    const time = { now: Date.now() }
    const exp = Math.floor(time.now / 1000) + 10
    const { ask, seen } = await service({ clock: () => time.now })
    const bearer = `Bearer ${await token({ claims: { exp } })}`
    expect(await ask(bearer)).toBe(200)
    time.now = exp * 1000 - 1
    expect(await ask(bearer)).toBe(200)
    expect(seen.length).toBe(1)
    time.now = exp * 1000
    expect(await ask(bearer)).toBe(401)
  })

  test('that is bound to a certificate is good for its holder alone', async () => {
    const { app, ask } = await service({ certificateBound: true })
    let fingerprint = ''
    app.addHook('onSend', async (request) => {
      fingerprint = request.peer?.fingerprint256 ?? ''
    })
    expect(await ask(`Bearer ${await token()}`)).toBe(401)
    const digest = (hex: string): string =>
      Buffer.from(hex.replaceAll(':', ''), 'hex').toString('base64url')
    const bound = { cnf: { 'x5t#S256': digest(fingerprint) } }
    expect(await ask(`Bearer ${await token({ claims: bound })}`)).toBe(200)
    const other = { cnf: { 'x5t#S256': digest('00'.repeat(32)) } }
    expect(await ask(`Bearer ${await token({ claims: other })}`)).toBe(401)
  })
})

describe('the keys', () => {
  test('of a file are read again for a new key, once the cooldown is over', async () => {
    const rotating = join(folder, 'rotating.json')
    await writeFile(rotating, JSON.stringify({ keys: [first.jwk] }))
    const { ask } = await service({ jwks: { file: rotating }, cooldownMs: 1 })
    expect(await ask(`Bearer ${await token()}`)).toBe(200)
    await writeFile(rotating, JSON.stringify({ keys: [first.jwk, second.jwk] }))
    await new Promise(setImmediate)
    let status = 0
    while (status !== 200) status = await ask(`Bearer ${await token({ by: second })}`)
    const { ask: askLater } = await service({ jwks: { file: rotating }, cooldownMs: 60_000 })
    expect(await askLater(`Bearer ${await token({ by: await signer('third') })}`)).toBe(401)
  })

  test('of a file are read again after ten minutes, and tokens verified again, so that withdrawn keys end', async () => {
    const time = { now: Date.now() }
    const { ask } = await service({ clock: () => time.now, cooldownMs: 1 })
    await writeFile(file, JSON.stringify({ keys: [first.jwk] }))
    const claims = { exp: Math.floor(time.now / 1000) + 3600 }
    const sent = await token({ claims })
    expect(await ask(sent)).toBe(200)
    await writeFile(file, JSON.stringify({ keys: [second.jwk] }))
    time.now += 599_000
    expect(await ask(sent)).toBe(200)
    time.now += 2_000
    expect(await ask(sent)).toBe(401)
    await writeFile(file, JSON.stringify({ keys: [first.jwk] }))
  })

  test('of a file that is being written stay those that were read before', async () => {
    const { ask } = await service({ cooldownMs: 1 })
    expect(await ask(await token())).toBe(200)
    await writeFile(file, '{"keys": [')
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await ask(await token({ by: second }))).toBe(401)
    expect(await ask(await token({ claims: { other: 1 } }))).toBe(200)
    await writeFile(file, JSON.stringify({ keys: [first.jwk] }))
  })

  test('that cannot be had refuse without blaming the token, and are tried again', async () => {
    const missing = join(folder, 'missing.json')
    const { ask } = await service({ jwks: { file: missing }, cooldownMs: 1 })
    expect(await ask(`Bearer ${await token()}`)).toBe(403)
    await writeFile(missing, JSON.stringify({ keys: [first.jwk] }))
    let status = 403
    while (status === 403) status = await ask(`Bearer ${await token()}`)
    expect(status).toBe(200)
  })

  test('of a server are fetched once for many tokens, within the cooldown', async () => {
    let fetched = 0
    const server = createServer((_request, response) => {
      fetched++
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ keys: [first.jwk] }))
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const { ask } = await service({ jwks: { url: `http://127.0.0.1:${port}/keys` } })
    for (let round = 0; round < 5; round++) {
      expect(await ask(`Bearer ${await token({ claims: { jti: String(round) } })}`)).toBe(200)
      expect(await ask(`Bearer ${await token({ by: second })}`)).toBe(401)
    }
    expect(fetched).toBe(1)
    server.closeAllConnections()
  })
})

test.each<[string, object, string?]>([
  ['no issuer', { issuer: undefined }],
  ['no audience', { audience: [] }],
  ['no algorithm', { algorithms: [] }],
  ['a symmetric algorithm', { algorithms: ['HS256'] }],
  ['none', { algorithms: ['none'] }],
  ['keys in the clear', { jwks: { url: 'http://issuer.test/keys' } }],
  ['two places of keys', { jwks: { url: 'https://issuer.test/keys', file: 'x' } }],
  ['an unknown key', { leeway: 60 }, 'unknown-option'],
])('options with %s are refused', async (_, options, code = 'invalid-option') => {
  await expect(service(options)).rejects.toMatchObject({ code })
})
