import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { X509Source } from 'fastify-spiffe'
import { SpireServer, Workload } from './fixture/index.ts'
import { presentedSerialNumber } from './support/handshake.ts'
import { Http1Caller } from './support/http1-caller.ts'
import { Http2Caller } from './support/http2-caller.ts'
import { Rejections } from './support/rejections.ts'
import { report } from './support/report.ts'
import { Service } from './support/service.ts'

const ORDERS = 'spiffe://a.test/acme/orders'
const WEB = 'spiffe://a.test/acme/web'

let server: SpireServer
let orders: Workload
let web: Workload
let service: Service
let source: X509Source

beforeAll(async () => {
  server = await SpireServer.start({ trustDomain: 'a.test' })
  orders = await Workload.start({ server, path: '/acme/orders' })
  web = await Workload.start({ server, path: '/acme/web' })
  const start = performance.now()
  service = await Service.start({ workload: orders, allow: [WEB] })
  report(`a service of a new entry was up after ${Math.round(performance.now() - start)} ms`)
  source = await X509Source.open({ address: web.address })
})

afterAll(async () => {
  for (const part of [source, service, web, orders, server]) await part?.[Symbol.asyncDispose]()
})

test('a service comes up with the SVID that its agent serves, and presents it', async () => {
  expect(service.source.state).toBe('ready')
  expect(service.source.svid?.spiffeId.toString()).toBe(ORDERS)
  expect(service.svid.spiffeId?.toString()).toBe(ORDERS)
  expect(await presentedSerialNumber({ source, server: ORDERS, port: service.port })).toBe(
    service.source.svid?.leaf.serialNumber,
  )
})

test.each([
  ['HTTP/1.1', Http1Caller],
  ['HTTP/2', Http2Caller],
] as const)(
  'on %s a workload is let in by the route that names it, and refused by the route that does not',
  async (_, Caller) => {
    await using caller = new Caller({ source, server: ORDERS, port: service.port })

    const allowed = await caller.get('/orders')
    const refused = await caller.get('/ledger')

    expect(allowed.status).toBe(200)
    expect(JSON.parse(allowed.body)).toEqual({
      caller: WEB,
      serialNumber: source.svid?.leaf.serialNumber,
    })
    expect(refused.status).toBe(403)
    expect(refused.body).not.toContain('bookkeeper')
  },
)

test('a workload does not talk to a service that is not the one it calls', async () => {
  await using caller = new Http1Caller({ source, server: WEB, port: service.port })

  await expect(caller.get('/orders')).rejects.toMatchObject({ code: 'server-not-allowed' })
})

test('a caller without an SVID is cut before a request of its reaches the service', async () => {
  using rejections = new Rejections()
  const { port } = service
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  let answer = ''
  socket.on('error', () => {}).on('data', (chunk) => (answer += chunk.toString()))
  socket.end('GET /orders HTTP/1.1\r\nhost: orders\r\n\r\n')

  await once(socket, 'close')

  expect(answer).toBe('')
  expect(rejections.codes).toEqual(['no-certificate'])
})
