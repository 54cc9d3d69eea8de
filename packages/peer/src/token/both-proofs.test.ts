import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import https from 'node:https'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { spiffeServer } from '@fastify-spiffe/svid'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'
import { ask, dial, listen } from '../client.test.helper.ts'
import { peer, type PeerJwtOptions } from '../index.ts'
import { AUDIENCE, TokenIssuer, WEB } from '../issuer.test.helper.ts'

const GATEWAY = 'spiffe://example.org/gateway'
const issuer = new TokenIssuer()
let authority: Authority
let source: InProcessSource
let web: X509Svid
let gateway: X509Svid

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source('spiffe://example.org/acme/orders')
  web = await authority.issueX509Svid(WEB)
  gateway = await authority.issueX509Svid(GATEWAY)
})

afterAll(() => authority.close())

interface Setting {
  readonly jwt?: Partial<PeerJwtOptions>
  readonly svid: X509Svid | null
  readonly token: string | null
}

/** What a service with certificates says to one request: who called, and by which proof. */
async function answerTo({ jwt, svid, token }: Setting) {
  const lines: { msg: string; code?: string; spiffeId?: string }[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) }
  await using app = Fastify({
    ...spiffeServer(source, { clientCertificate: 'optional' }),
    logger: { level: 'info', stream },
  })
  await app.register(peer, { jwt: { audience: AUDIENCE, source: issuer, ...jwt } })
  app.get('/', ({ spiffeId, peer: caller, log }) => {
    log.info('handled')
    return `${String(spiffeId)} ${caller?.proof ?? 'none'}`
  })
  const socket = await dial(await listen(app), svid)
  const headers = token === null ? {} : { authorization: `Bearer ${token}` }
  const { status, body, headers: answered } = await ask(socket, '/', headers)
  socket.destroy()
  const code = lines.find((line) => line.code !== undefined)?.code
  const named = lines.find(({ msg }) => msg === 'handled')?.spiffeId
  return { status, code, named, body: status === 200 ? body : answered['www-authenticate'] }
}

function digestOf(svid: X509Svid): string {
  const { raw } = new X509Certificate(svid.exportCertificatesPem())
  return createHash('sha256').update(raw).digest('base64url')
}

const REFUSED = { status: 401, body: 'bearer error="invalid_token"' }

describe('a request with a certificate and a token', () => {
  test('of one SPIFFE ID has the certificate as its proof', async () => {
    const answer = await answerTo({ svid: web, token: issuer.token() })
    expect(answer).toMatchObject({ status: 200, body: `${WEB} x509-svid`, named: WEB })
  })

  test('of different ones is refused, unless an option names which decides', async () => {
    const given = { svid: gateway, token: issuer.token() }
    expect(await answerTo(given)).toMatchObject({ ...REFUSED, code: 'proofs-disagree' })
    const byToken = await answerTo({ ...given, jwt: { decides: 'jwt-svid' } })
    expect(byToken).toMatchObject({ status: 200, body: `${WEB} jwt-svid`, named: WEB })
    const byCertificate = await answerTo({ ...given, jwt: { decides: 'x509-svid' } })
    expect(byCertificate).toMatchObject({ body: `${GATEWAY} x509-svid`, named: GATEWAY })
  })

  test.each(['x509-svid', 'jwt-svid', undefined] as const)(
    'is refused for a bad token, whatever decides: %s',
    async (decides) => {
      const jwt = decides === undefined ? {} : { decides }
      for (const token of ['x', issuer.token({ exp: 1 })]) {
        expect(await answerTo({ svid: web, token, jwt })).toMatchObject(REFUSED)
      }
    },
  )

  test('has each proof alone where only that is there', async () => {
    const [token, svid] = [issuer.token(), web]
    expect((await answerTo({ svid, token: null })).body).toBe(`${WEB} x509-svid`)
    expect((await answerTo({ svid: null, token })).body).toBe(`${WEB} jwt-svid`)
    expect((await answerTo({ svid: null, token: null })).body).toBe('null none')
    const jwt = { decides: 'jwt-svid' } as const
    expect((await answerTo({ svid, token: null, jwt })).body).toBe(`${WEB} x509-svid`)
  })

  test('is refused when the certificate is worth nothing any more, however good the token', async () => {
    await using realm = await Authority.create({ trustDomain: 'example.org' })
    const served = await realm.source('spiffe://example.org/acme/orders')
    const caller = await realm.issueX509Svid(WEB)
    await using app = Fastify(spiffeServer(served, { onPeerExpiry: 'ignore' }))
    await app.register(peer, { jwt: { audience: AUDIENCE, source: issuer, decides: 'jwt-svid' } })
    app.get('/', () => 'ok')
    const socket = await dial(await listen(app), caller)
    const headers = { authorization: `Bearer ${issuer.token()}` }
    expect((await ask(socket, '/', headers)).status).toBe(200)
    await realm.revoke(caller)
    expect(await ask(socket, '/', headers)).toMatchObject({
      status: 401,
      headers: { connection: 'close' },
    })
    socket.destroy()
  })
})

describe('a token that is bound to a certificate (RFC 8705)', () => {
  test('is good over a connection with that certificate, and over no other', async () => {
    const token = issuer.token({ cnf: { 'x5t#S256': digestOf(web) } })
    expect((await answerTo({ svid: web, token })).status).toBe(200)
    const wrong = { ...REFUSED, code: 'wrong-certificate' }
    expect(await answerTo({ svid: await authority.issueX509Svid(WEB), token })).toMatchObject(wrong)
    expect(await answerTo({ svid: null, token })).toMatchObject(wrong)
    expect(await answerTo({ svid: gateway, token, jwt: { decides: 'jwt-svid' } })).toMatchObject(
      wrong,
    )
  })

  test.each<[string, (digest: string) => unknown]>([
    ['null', () => null],
    ['a string', (digest) => digest],
    ['an empty object', () => ({})],
    ['another method', () => ({ jkt: 'x' })],
    ['a second method', (digest) => ({ 'x5t#S256': digest, jkt: 'x' })],
    ['a digest with padding', (digest) => ({ 'x5t#S256': `${digest}=` })],
    ['a list', (digest) => ({ 'x5t#S256': [digest] })],
    ['an empty digest', () => ({ 'x5t#S256': '' })],
  ])('is refused where cnf is %s', async (_, cnfOf) => {
    const token = issuer.token({ cnf: cnfOf(digestOf(web)) })
    expect(await answerTo({ svid: web, token })).toMatchObject({ code: 'wrong-certificate' })
  })

  test('can be demanded', async () => {
    const jwt = { certificateBound: true }
    const bound = issuer.token({ cnf: { 'x5t#S256': digestOf(web) } })
    expect((await answerTo({ svid: web, token: bound, jwt })).status).toBe(200)
    const refused = { ...REFUSED, code: 'not-bound' }
    expect(await answerTo({ svid: web, token: issuer.token(), jwt })).toMatchObject(refused)
    expect(await answerTo({ svid: null, token: issuer.token(), jwt })).toMatchObject(refused)
    expect((await answerTo({ svid: web, token: null, jwt })).status).toBe(200)
  })
})

const JWT: PeerJwtOptions = { audience: AUDIENCE, source: issuer }

describe('a server without client certificates', () => {
  test('of plain HTTP does not listen without an option', async () => {
    await using app = Fastify()
    await app.register(peer, { jwt: JWT })
    await expect(app.listen({ port: 0 })).rejects.toMatchObject({ code: 'plaintext-server' })
    expect(app.server.listening).toBe(false)
  })

  test('of HTTPS does', async () => {
    const tls = { cert: web.exportCertificatesPem(), key: web.exportPrivateKeyPem() }
    await using app = Fastify({ https: tls })
    await app.register(peer, { jwt: JWT })
    app.get('/', ({ spiffeId }) => String(spiffeId))
    expect(app.provableTrustDomains()).toEqual(new Set(['example.org']))
    const { host, port } = await listen(app)
    const headers = { authorization: `Bearer ${issuer.token()}` }
    const request = https.get({ host, port, headers, rejectUnauthorized: false, agent: false })
    const [response] = await once(request, 'response')
    expect(response.statusCode).toBe(200)
    response.resume()
    await once(response, 'close')
  })
})

describe('an application with tokens does not boot', () => {
  test.each<[string, string, object]>([
    ['without an object', 'invalid-option', { jwt: true }],
    ['without an audience', 'invalid-option', { jwt: { source: issuer } }],
    ['with an empty audience', 'invalid-option', { jwt: { ...JWT, audience: '' } }],
    ['without a source', 'invalid-option', { jwt: { audience: AUDIENCE } }],
    ['with a source of no bundles', 'invalid-option', { jwt: { ...JWT, source: {} } }],
    ['with an option that does not exist', 'unknown-option', { jwt: { ...JWT, query: true } }],
    ['with a proof that does not exist', 'invalid-option', { jwt: { ...JWT, decides: 'both' } }],
    ['with a skew of an hour', 'invalid-option', { jwt: { ...JWT, clockSkewMs: 3_600_000 } }],
    ['with a text for a switch', 'invalid-option', { jwt: { ...JWT, allowPlaintext: 'no' } }],
  ])('%s: %s', async (_, code, options) => {
    await using app = Fastify()
    await expect(app.register(peer, options)).rejects.toMatchObject({ name: 'PeerError', code })
  })
})
