import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { TlsError } from '@fastify-spiffe/tls'
import { X509Source } from 'fastify-spiffe'
import { SpireServer, Workload, until } from './fixture/index.ts'
import { presentedSerialNumber } from './support/handshake.ts'
import { Http1Caller } from './support/http1-caller.ts'
import { report } from './support/report.ts'
import { Service } from './support/service.ts'

const ORDERS = 'spiffe://a.test/acme/orders'
const WEB = 'spiffe://a.test/acme/web'
const WITHDRAWAL_MS = 5_000

let server: SpireServer
let orders: Workload
let web: Workload
let service: Service
let source: X509Source

beforeAll(async () => {
  server = await SpireServer.start({ trustDomain: 'a.test' })
  orders = await Workload.start({ server, path: '/acme/orders' })
  web = await Workload.start({ server, path: '/acme/web' })
  service = await Service.start({ workload: orders, allow: [WEB] })
  source = await X509Source.open({ address: web.address })
})

afterAll(async () => {
  for (const part of [source, service, web, orders, server]) await part?.[Symbol.asyncDispose]()
})

const endpoint = () => ({ source, server: ORDERS, port: service.port })

/** Resolves at the moment at which the agent itself refuses this workload. */
async function agentDenies(workload: Workload): Promise<number> {
  return await until('the agent answers PermissionDenied', async () => {
    try {
      await workload.agent.fetchSpiffeIds()
      return null
    } catch (error) {
      return String(error).includes('PermissionDenied') && performance.now()
    }
  })
}

/** Resolves at the moment at which a new connection gets no SVID from the service any more. */
async function presentationEnds(): Promise<number> {
  return await until('no SVID is presented', async () => {
    try {
      await presentedSerialNumber(endpoint())
      return null
    } catch (error) {
      return error instanceof TlsError && error.code === 'connect-failed' && performance.now()
    }
  })
}

test('a service whose entry is deleted stops presenting, and presents again when it is back', async () => {
  const presented = presentedSerialNumber(endpoint())
  await expect(presented).resolves.toBe(service.source.svid?.leaf.serialNumber)

  await orders.unregister()
  const [denied, ended] = await Promise.all([agentDenies(orders), presentationEnds()])

  const delay = Math.round(ended - denied)
  report(`from the agent's refusal to handshakes without SVID: ${delay} ms (asked every 100 ms)`)
  expect(ended - denied).toBeLessThan(WITHDRAWAL_MS)
  expect(service.source.state).toBe('denied')
  expect(service.source.svid).toBeNull()
  await expect(presentedSerialNumber(endpoint())).rejects.toMatchObject({ code: 'connect-failed' })

  await orders.register()

  await until('an SVID is presented again', () => presentedSerialNumber(endpoint()))
  expect(service.source.state).toBe('ready')
})

test('a caller whose entry is deleted opens no connection any more', async () => {
  await using caller = new Http1Caller({ ...endpoint(), keepAlive: false })
  expect((await caller.get('/orders')).status).toBe(200)

  await web.unregister()
  await agentDenies(web)
  await until('the source is denied', () => source.state === 'denied', { timeoutMs: WITHDRAWAL_MS })

  await expect(caller.get('/orders')).rejects.toMatchObject({ code: 'no-svid' })
})
