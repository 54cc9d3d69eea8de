import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mintRootCa } from '@fastify-spiffe/authority'
import { Federation } from '@fastify-spiffe/federation'
import {
  TrustDomain,
  withFallbackBundles,
  X509Bundle,
  type X509MaterialSource,
} from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, peer, spiffeServer, svid, X509Source } from 'fastify-spiffe'
import { SpireServer, until, Workload } from './fixture/index.ts'
import { Http1Caller } from './support/http1-caller.ts'
import { Http2Caller } from './support/http2-caller.ts'
import { KeptSvidSource } from './support/kept-svid-source.ts'
import { Rejections } from './support/rejections.ts'
import { report } from './support/report.ts'

const ORDERS = 'spiffe://a.test/acme/orders'
const PARTNER = 'spiffe://b.test/partner/web'
const FOREIGN = TrustDomain.parse('b.test')

let folder: string
let home: SpireServer
let foreign: SpireServer
/** Follows `b.test`, with the profile `https_spiffe`, for the service. */
let federation: Federation
/** What the caller presents, with the bundles that it follows: that of `a.test`, with the profile `https_web`. */
let caller: X509MaterialSource
let app: Pick<FastifyInstance, 'close'>
let port: number
const parts: AsyncDisposable[] = []

// Neither server federates with the other: what the two know of each other, they have followed.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'followed-endpoint-'))
  const web = await mintRootCa('web.test')
  const shape = { uris: [], ipAddresses: ['127.0.0.1'] }
  const certificate = await web.mint('spiffe://web.test/unused', shape)
  const [certificateFile, keyFile] = [join(folder, 'web.pem'), join(folder, 'web.key')]
  await writeFile(certificateFile, certificate.certificatesPem)
  await writeFile(keyFile, certificate.privateKeyPem)
  const webCertificate = { certificateFile, keyFile }
  home = keep(await SpireServer.start({ trustDomain: 'a.test', federation: true, webCertificate }))
  foreign = keep(await SpireServer.start({ trustDomain: 'b.test', federation: true }))
  const orders = keep(await Workload.start({ server: home, path: '/acme/orders' }))
  const partner = keep(await Workload.start({ server: foreign, path: '/partner/web' }))
  federation = await Federation.open({
    directory: join(folder, 'bundles'),
    trustDomains: [
      {
        trustDomain: 'b.test',
        url: foreign.bundleUrl,
        profile: 'https_spiffe',
        endpointSpiffeId: 'spiffe://b.test/spire/server',
        bundle: await foreign.bundles.show('spiffe'),
      },
    ],
  })
  const workload = await X509Source.open({ address: orders.address })
  await serve(keep(withFallbackBundles(workload, federation)))
  const ca = web.certificatePem
  const followed = { trustDomain: 'a.test', url: home.bundleUrl, profile: 'https_web', ca } as const
  const partners = await Federation.open({ trustDomains: [followed] })
  const source = await X509Source.open({ address: partner.address })
  caller = keep(withFallbackBundles(source, partners))
})

afterAll(async () => {
  await app?.close()
  for (const part of parts.toReversed()) await part[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

function keep<T extends AsyncDisposable>(part: T): T {
  parts.push(part)
  return part
}

async function serve(source: X509MaterialSource): Promise<void> {
  const service = Fastify(spiffeServer(source, { http2: true, allowHTTP1: true }))
  app = service
  await service.register(svid, { source })
  await service.register(peer)
  await service.register(authz, { tenant: '/{tenant}/{workload}' })
  const rule = { config: { spiffe: { allow: [PARTNER] } } }
  service.get('/orders', rule, ({ spiffeId }) => ({ caller: spiffeId }))
  port = Number(new URL(await service.listen({ host: '127.0.0.1', port: 0 })).port)
}

const endpoint = (
  source: X509MaterialSource = caller,
): ConstructorParameters<typeof Http2Caller>[0] => ({ source, server: ORDERS, port })

test("SPIRE's endpoints are followed in both profiles, whole", async () => {
  const status = await federation.refresh('b.test')
  expect(status).toMatchObject({ state: 'ready', origin: 'fetched', failures: 0 })
  expect(status.bundle?.ignored).toEqual([])
  expect(status.bundle?.refreshHintMs).toBe(10_000)
  const pem = X509Bundle.fromPem(FOREIGN, await foreign.bundles.show('pem'))
  expect(federation.bundles.get(FOREIGN)?.equals(pem)).toBe(true)
  expect(status.jwtAuthorities).toBe(1)
  report(`followed b.test: sequence ${status.sequence}`)
  await using fresh = new Http1Caller({ ...endpoint(), keepAlive: false })
  const answer = await fresh.get('/orders')
  expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { caller: PARTNER }])
})

test('an authority that is rotated there counts after one fetch, and the one that is gone no more', async () => {
  using rejections = new Rejections()
  const former = caller.svid
  if (former === null) throw new Error('the caller has no SVID')
  const before = await federation.refresh('b.test')
  const oldId = await foreign.authorities.active()
  const newId = await foreign.authorities.prepare()
  const both = await federation.refresh('b.test')
  expect(both.x509Authorities).toBe(2)
  await foreign.authorities.activate(newId)
  await foreign.authorities.taint(oldId)
  await until('the caller has an SVID of the new authority', () => caller.svid !== former)
  const keeper = new KeptSvidSource(former, caller)
  await using fresh = new Http1Caller({ ...endpoint(), keepAlive: false })
  await using keeperKept = new Http2Caller(endpoint(keeper))
  await using keeperFresh = new Http1Caller({ ...endpoint(keeper), keepAlive: false })
  for (const each of [fresh, keeperKept, keeperFresh]) {
    expect((await each.get('/orders')).status).toBe(200)
  }
  await foreign.authorities.revoke(oldId)
  await until('the endpoint is verified by the new authority', async () => {
    const { state, x509Authorities } = await federation.refresh('b.test')
    return state === 'ready' && x509Authorities === 1
  })
  const { sequence } = await federation.refresh('b.test')
  report(`sequences of the rotation: ${before.sequence}, ${both.sequence}, ${sequence}`)
  expect((await fresh.get('/orders')).status).toBe(200)
  await expect(keeperFresh.get('/orders')).rejects.toThrow()
  await expect(keeperKept.get('/orders')).rejects.toThrow()
  expect(rejections.codes).toContain('no-path')
})

test('a restart without network knows what was followed, and to follow no more ends the trust at once', async () => {
  const stored = await Federation.open({
    directory: join(folder, 'bundles'),
    trustDomains: [
      {
        trustDomain: 'b.test',
        url: 'https://127.0.0.1:1',
        profile: 'https_spiffe',
        endpointSpiffeId: 'spiffe://b.test/spire/server',
      },
    ],
  })
  expect(stored.status('b.test')).toMatchObject({ origin: 'stored', x509Authorities: 1 })
  expect(stored.bundles.equals(federation.bundles)).toBe(true)
  await stored.close()

  using rejections = new Rejections()
  await using kept = new Http2Caller(endpoint())
  await using fresh = new Http1Caller({ ...endpoint(), keepAlive: false })
  expect((await kept.get('/orders')).status).toBe(200)
  await federation.unfollow('b.test')
  await expect(fresh.get('/orders')).rejects.toThrow()
  expect(rejections.codes).toEqual(['unknown-trust-domain'])
  await expect(kept.get('/orders')).rejects.toThrow()
})
