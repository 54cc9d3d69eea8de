import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { TrustDomain } from '@fastify-spiffe/spiffe'
import { X509Source } from 'fastify-spiffe'
import { SpireServer, Workload, until } from './fixture/index.ts'
import { Http1Caller } from './support/http1-caller.ts'
import { Http2Caller } from './support/http2-caller.ts'
import { Rejections } from './support/rejections.ts'
import { report } from './support/report.ts'
import { Service } from './support/service.ts'

const ORDERS = 'spiffe://a.test/acme/orders'
const PARTNER = 'spiffe://b.test/partner/web'
const FOREIGN = TrustDomain.parse('b.test')

let home: SpireServer
let foreign: SpireServer
let orders: Workload
let partner: Workload
let service: Service
let source: X509Source

beforeAll(async () => {
  home = await SpireServer.start({ trustDomain: 'a.test', federation: true })
  foreign = await SpireServer.start({ trustDomain: 'b.test', federation: true })
  await home.federateWith(foreign)
  await foreign.federateWith(home)
  orders = await Workload.start({ server: home, path: '/acme/orders', federatesWith: ['b.test'] })
  partner = await Workload.start({
    server: foreign,
    path: '/partner/web',
    federatesWith: ['a.test'],
  })
  service = await Service.start({ workload: orders, allow: [PARTNER] })
  source = await X509Source.open({ address: partner.address })
})

afterAll(async () => {
  const parts = [source, service, partner, orders, foreign, home]
  for (const part of parts) await part?.[Symbol.asyncDispose]()
})

test('a caller of a federated trust domain is welcome until the bundle of its domain is deleted', async () => {
  using rejections = new Rejections()
  const endpoint = { source, server: ORDERS, port: service.port }
  await using kept = new Http2Caller(endpoint)
  await using fresh = new Http1Caller({ ...endpoint, keepAlive: false })

  expect(JSON.parse((await kept.get('/orders')).body)).toMatchObject({ caller: PARTNER })
  expect((await fresh.get('/orders')).status).toBe(200)
  expect((await fresh.get('/ledger')).status).toBe(403)
  expect(rejections.codes).toEqual([])

  await home.bundles.delete('b.test')
  const deleted = performance.now()
  await until('the bundle is gone', () => service.source.bundles.get(FOREIGN) === undefined)
  report(`foreign bundle gone ${Math.round(performance.now() - deleted)} ms after its deletion`)

  await expect(fresh.get('/orders')).rejects.toThrow()
  expect(rejections.codes).toEqual(['unknown-trust-domain'])
  // The service has sent its connection away, and takes no new one.
  await expect(kept.get('/orders')).rejects.toThrow()
})
