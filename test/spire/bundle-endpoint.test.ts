import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority, type MintedCa } from '@fastify-spiffe/authority'
import { Bundle, TrustDomain } from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { JwtSource, X509Source } from 'fastify-spiffe'
import { SpireServer, until, Workload } from './fixture/index.ts'
import { Http1Caller } from './support/http1-caller.ts'
import { KeptSvidSource } from './support/kept-svid-source.ts'
import { mintWebCa, publishBySpiffe, publishByWeb, type Publisher } from './support/publisher.ts'
import { Rejections } from './support/rejections.ts'
import { report } from './support/report.ts'
import { Service } from './support/service.ts'

const HOME = TrustDomain.parse('a.test')
const EMBEDDED = TrustDomain.parse('dev.test')
const CALLER = 'spiffe://a.test/acme/web'
const SERVICE = 'spiffe://b.test/partner/orders'

const started: AsyncDisposable[] = []
let webCa: MintedCa
/** Its bundle is published by us, from its Workload API. */
let home: SpireServer
/** It follows what we publish. */
let follower: SpireServer
let published: X509Source
let jwtSource: JwtSource
let caller: X509Source
let bySpiffe: Publisher
let byWeb: Publisher

function keep<Part extends AsyncDisposable>(part: Part): Part {
  started.unshift(part)
  return part
}

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'web-ca-'))
  keep({ [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) })
  webCa = await mintWebCa()
  const webCaFile = join(folder, 'web-ca.pem')
  await writeFile(webCaFile, webCa.certificatePem)
  home = keep(await SpireServer.start({ trustDomain: 'a.test' }))
  follower = keep(await SpireServer.start({ trustDomain: 'b.test', webCaFile }))
  await home.bundles.set('b.test', await follower.bundles.show('spiffe'))
  const publisher = keep(await Workload.start({ server: home, path: '/bundles' }))
  const federatesWith = ['b.test']
  const web = keep(await Workload.start({ server: home, path: '/acme/web', federatesWith }))
  published = keep(await X509Source.open({ address: publisher.address }))
  caller = keep(await X509Source.open({ address: web.address }))
  jwtSource = keep(await JwtSource.open({ address: publisher.address }))
  bySpiffe = keep(await publishBySpiffe(published, jwtSource))
  byWeb = keep(await publishByWeb(published, webCa))
})

afterAll(async () => {
  for (const part of started) await part[Symbol.asyncDispose]()
})

/** The bundle of a trust domain, as the follower holds it. */
async function followed(trustDomain = HOME): Promise<Bundle> {
  return Bundle.parse(trustDomain, await follower.bundles.list(trustDomain.name))
}

/** Has the follower fetch once, and waits until it holds what `source` has. */
async function refreshed(source = published): Promise<Bundle> {
  await follower.federations.refresh(HOME.name)
  return await until('the follower holds our bundle', async () => {
    const bundle = await followed()
    const own = source.bundles.get(HOME)
    return own !== undefined && bundle.x509.equals(own) && bundle
  })
}

const knows = (count: number) => (): boolean =>
  published.bundles.get(HOME)?.authorities.length === count

test('SPIRE follows our endpoint by https_spiffe, and its workloads take callers and lose them by it', async () => {
  await follower.bundles.set('a.test', await home.bundles.show('spiffe'))
  const endpointSpiffeId = 'spiffe://a.test/bundles'
  await follower.federations.create({ trustDomain: 'a.test', url: bySpiffe.url, endpointSpiffeId })
  await follower.federations.refresh('a.test')
  // That hint is in the bundle that we publish, and not in the first one.
  const first = await until('the follower holds our bundle', async () => {
    const bundle = await followed()
    return bundle.refreshHintMs === 60_000 && bundle
  })
  expect(first.x509.equals(published.bundles.get(HOME)!)).toBe(true)
  const own = Bundle.parse(HOME, await home.bundles.show('spiffe'))
  expect(first.jwt.authorities).toHaveLength(1)
  expect(first.jwt.equals(own.jwt)).toBe(true)

  const partner = { server: follower, path: '/partner/orders', federatesWith: ['a.test'] }
  const workload = keep(await Workload.start(partner))
  const service = keep(await Service.start({ workload, allow: [CALLER] }))
  using rejections = new Rejections()
  const endpoint = { source: caller, server: SERVICE, port: service.port, keepAlive: false }
  await using fresh = new Http1Caller(endpoint)
  expect(JSON.parse((await fresh.get('/orders')).body)).toMatchObject({ caller: CALLER })

  const oldId = await home.authorities.active()
  const [oldSvid, oldPublisher] = [caller.svid!, published.svid!]
  const newId = await home.authorities.prepare()
  await until('the new authority is published', knows(2))
  await refreshed()
  await home.authorities.activate(newId)
  await home.authorities.taint(oldId)
  await until('both have an SVID of the new authority', () => {
    return !caller.svid!.equals(oldSvid) && !published.svid!.equals(oldPublisher)
  })
  await until('the service knows both', () => {
    return service.source.bundles.get(HOME)?.authorities.length === 2
  })
  expect((await fresh.get('/orders')).status).toBe(200)

  const keeper = new KeptSvidSource(oldSvid, caller)
  await using kept = new Http1Caller({ ...endpoint, source: keeper })
  expect((await kept.get('/orders')).status).toBe(200)
  await home.authorities.revoke(oldId)
  await until('the old authority is published no more', knows(1))
  const revoked = performance.now()
  await refreshed()
  await until('the service knows one', () => {
    return service.source.bundles.get(HOME)?.authorities.length === 1
  })
  report(
    `trust ended ${Math.round(performance.now() - revoked)} ms after one refresh was asked for`,
  )
  await expect(kept.get('/orders')).rejects.toThrow()
  expect(rejections.codes).toEqual(['no-path'])
  expect((await fresh.get('/orders')).status).toBe(200)

  // The end of the federation: nobody of the trust domain is known any more.
  await follower.federations.delete('a.test')
  await follower.bundles.delete('a.test')
  await until('the bundle is gone', () => service.source.bundles.get(HOME) === undefined)
  await expect(fresh.get('/orders')).rejects.toThrow()
  expect(rejections.codes).toEqual(['no-path', 'unknown-trust-domain'])
})

test('SPIRE follows our endpoint by https_web, without a first bundle', async () => {
  await follower.federations.create({ trustDomain: 'a.test', url: byWeb.url })
  expect((await refreshed()).x509.authorities).toHaveLength(1)
  await home.authorities.prepare()
  await until('the new authority is published', knows(2))
  const second = await refreshed()
  expect(second.x509.authorities).toHaveLength(2)
  expect(second.refreshHintMs).toBe(300_000)
})

test('SPIRE takes the X.509 and the JWT authorities of an embedded authority', async () => {
  await using authority = await Authority.create({ trustDomain: EMBEDDED })
  await using source = await authority.source('spiffe://dev.test/bundles')
  await using publisher = await publishByWeb(source, webCa)
  await follower.federations.create({ trustDomain: 'dev.test', url: publisher.url })
  const holds = (what: string, count: number): Promise<Bundle> =>
    until(what, async () => {
      const bundle = await followed(EMBEDDED)
      return bundle.jwt.authorities.length === count && bundle
    })

  await follower.federations.refresh('dev.test')
  const first = await holds('the follower holds the bundle', 1)
  expect(first.x509.equals(authority.bundle)).toBe(true)
  expect(first.jwt.equals(authority.jwt.bundle)).toBe(true)
  await authority.jwt.addAuthority()
  await follower.federations.refresh('dev.test')
  const second = await holds('the follower holds both keys', 2)
  expect(second.jwt.equals(authority.jwt.bundle)).toBe(true)
})
