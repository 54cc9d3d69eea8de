import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { authz } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { TrustDomain, type JwtSvid } from '@fastify-spiffe/spiffe'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import { JwtSource, WorkloadApiClient, X509Source } from '@fastify-spiffe/workload-api'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { SpireServer, until, Workload } from './fixture/index.ts'
import { report } from './support/report.ts'

const PARTNER = 'spiffe://b.test/partner/web'
const AUDIENCE = 'orders'
const FOREIGN = TrustDomain.parse('b.test')

const parts: AsyncDisposable[] = []
let foreign: SpireServer
let partner: Workload
/** Of the service. */
let jwtSource: JwtSource
/** Of the caller. */
let tokens: JwtSource
let app: FastifyInstance

function keep<T extends AsyncDisposable>(part: T): T {
  parts.push(part)
  return part
}

beforeAll(async () => {
  const home = keep(await SpireServer.start({ trustDomain: 'a.test', federation: true }))
  foreign = keep(await SpireServer.start({ trustDomain: 'b.test', federation: true }))
  await home.federateWith(foreign)
  await foreign.federateWith(home)
  const orders = keep(
    await Workload.start({ server: home, path: '/acme/orders', federatesWith: ['b.test'] }),
  )
  partner = keep(
    await Workload.start({ server: foreign, path: '/partner/web', federatesWith: ['a.test'] }),
  )
  jwtSource = keep(await JwtSource.open({ address: orders.address }))
  tokens = keep(await JwtSource.open({ address: partner.address }))
  await until('the service knows both', () => jwtSource.jwtBundles.size === 2)
  const source = keep(await X509Source.open({ address: orders.address }))
  app = Fastify(spiffeServer(source, { clientCertificate: 'optional' }))
  await app.register(svid, { source })
  await app.register(peer, { jwt: { audience: AUDIENCE, source: jwtSource } })
  await app.register(authz)
  const allow = [PARTNER]
  app.get('/orders', { config: { spiffe: { allow } } }, ({ spiffeId, peer: caller }) => ({
    spiffeId,
    proof: caller?.proof,
  }))
  app.get('/mtls', { config: { spiffe: { allow, proof: 'x509-svid' } } }, () => 'in')
  await app.listen({ host: '127.0.0.1', port: 0 })
})

afterAll(async () => {
  await app?.close()
  for (const part of parts.toReversed()) await part[Symbol.asyncDispose]()
})

/** Calls without a certificate; the server is not what is tested. */
async function call(sent: JwtSvid | null, path = '/orders') {
  const { port } = app.server.address() as AddressInfo
  const headers = sent === null ? {} : { authorization: `Bearer ${sent.token}` }
  const request = https.get({
    host: '127.0.0.1',
    port,
    path,
    headers,
    agent: false,
    rejectUnauthorized: false,
  })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let body = ''
  for await (const part of response) body += String(part)
  return { status: response.statusCode, challenge: response.headers['www-authenticate'], body }
}

test('a token of an agent of a federated trust domain proves the caller, and no certificate', async () => {
  const good = await tokens.fetchJwtSvid({ audience: AUDIENCE })
  const { status, body } = await call(good)
  expect([status, JSON.parse(body)]).toEqual([200, { spiffeId: PARTNER, proof: 'jwt-svid' }])
  expect((await call(good, '/mtls')).status).toBe(403)
  expect(await call(null)).toMatchObject({ status: 401, challenge: 'Bearer' })
  const elsewhere = await tokens.fetchJwtSvid({ audience: 'ledger' })
  const refused = await call(elsewhere)
  expect(refused).toMatchObject({ status: 401, challenge: 'Bearer error="invalid_token"' })
  expect(refused.body).not.toContain(elsewhere.token)
})

/** Whether a source knows an authority of the other trust domain. */
function knows(id: string, of: JwtSource): boolean {
  return of.jwtBundles.get(FOREIGN)?.find(id) !== undefined
}

test('the key of tokens is replaced and revoked: the old one is refused, and no good call fails', async () => {
  const old = await tokens.fetchJwtSvid({ audience: AUDIENCE })
  const oldId = await foreign.jwtAuthorities.active()
  const newId = await foreign.jwtAuthorities.prepare()
  await until('both know the new key', () => knows(newId, jwtSource) && knows(newId, tokens), {
    timeoutMs: 60_000,
  })
  await foreign.jwtAuthorities.activate(newId)
  await foreign.jwtAuthorities.taint(oldId)
  await using client = new WorkloadApiClient({ address: partner.address })
  await until('the agent has replaced its token', async () => {
    const [given] = await client.fetchJwtSvids({ audience: AUDIENCE })
    return given?.keyId === newId
  })
  // Tainted is not revoked.
  expect((await call(old)).status).toBe(200)
  await foreign.jwtAuthorities.revoke(oldId)
  const revokedAt = performance.now()
  await until('the caller has dropped the old key', () => !knows(oldId, tokens))
  const fresh = await tokens.fetchJwtSvid({ audience: AUDIENCE })
  expect(fresh.keyId).toBe(newId)
  expect((await call(fresh)).status).toBe(200)
  await until('the service has dropped the old key', () => !knows(oldId, jwtSource), {
    timeoutMs: 60_000,
  })
  report(`the service follows ${Math.round(performance.now() - revokedAt)} ms after the revocation`)
  expect(await call(old)).toMatchObject({ status: 401, challenge: 'Bearer error="invalid_token"' })
  expect((await call(fresh)).status).toBe(200)
}, 180_000)
