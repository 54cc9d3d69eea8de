import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Bundle, BundleSet, type JwtBundle, TrustDomain } from '@fastify-spiffe/spiffe'
import { JwtSvidVerifier, verifyJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'
import { WorkloadApiClient } from '@fastify-spiffe/workload-api'
import { SpireServer, Workload } from './fixture/index.ts'

const ORDERS = 'spiffe://a.test/acme/orders'
const PARTNER = 'spiffe://b.test/partner/web'
const [HOME, FOREIGN] = ['a.test', 'b.test'].map((name) => TrustDomain.parse(name))

let home: SpireServer
let foreign: SpireServer
let orders: Workload
let client: WorkloadApiClient

beforeAll(async () => {
  home = await SpireServer.start({ trustDomain: 'a.test', federation: true })
  foreign = await SpireServer.start({ trustDomain: 'b.test', federation: true })
  await home.federateWith(foreign)
  orders = await Workload.start({ server: home, path: '/acme/orders', federatesWith: ['b.test'] })
  client = new WorkloadApiClient({ address: orders.address })
})

afterAll(async () => {
  for (const part of [client, orders, foreign, home]) await part?.[Symbol.asyncDispose]()
})

test('tokens of the own and of a federated trust domain are verified with the bundles of an agent', async () => {
  const held = { jwtBundles: BundleSet.of<JwtBundle>() }
  for await (const bundles of client.watchJwtBundles()) {
    held.jwtBundles = bundles
    if (bundles.size === 2) break
  }
  const verifier = new JwtSvidVerifier({ source: held, audience: 'orders' })
  for (const [server, spiffeId] of [
    [home, ORDERS],
    [foreign, PARTNER],
  ] as const) {
    const token = await server.mintJwtSvid(spiffeId, 'orders')
    const verification = await verifier.verify(token)
    expect(verification).toMatchObject({ ok: true })
    expect(verification.ok && verification.svid.spiffeId.toString()).toBe(spiffeId)
    expect(verifier.cached(token)).toBe(verification)
    const elsewhere = await verifyJwtSvid(token, held.jwtBundles, { audience: 'ledger' })
    expect(elsewhere).toMatchObject({ ok: false, code: 'wrong-audience' })
  }
  held.jwtBundles = held.jwtBundles.without(FOREIGN!)
  const token = await foreign.mintJwtSvid(PARTNER, 'orders')
  expect(await verifier.verify(token)).toMatchObject({ ok: false, code: 'unknown-trust-domain' })
})

test('a token is verified with the SPIFFE bundle of the server that signed it, and with no other', async () => {
  const [own, other] = [
    Bundle.parse(HOME!, await home.bundles.show('spiffe')),
    Bundle.parse(FOREIGN!, await foreign.bundles.show('spiffe')),
  ]
  const token = await home.mintJwtSvid(ORDERS, 'orders')
  const options = { audience: 'orders' }
  expect((await verifyJwtSvid(token, BundleSet.of(own.jwt, other.jwt), options)).ok).toBe(true)
  const refused = await verifyJwtSvid(token, BundleSet.of(other.jwt), options)
  expect(refused).toMatchObject({ ok: false, code: 'unknown-trust-domain' })
})
