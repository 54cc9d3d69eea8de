import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { presentedSerialNumber } from './support/handshake.ts'
import { Http1Caller } from './support/http1-caller.ts'
import { Http2Caller } from './support/http2-caller.ts'
import { Rejections } from './support/rejections.ts'
import { ORDERS, Scene, WEB } from './support/scene.ts'

let scene: Scene

beforeAll(async () => {
  scene = await Scene.start()
})

afterAll(() => scene?.[Symbol.asyncDispose]())

test('a service comes up with the SVID that its agent serves, and presents it', async () => {
  const { service } = scene
  expect(service.source.state).toBe('ready')
  expect(service.source.svid?.spiffeId.toString()).toBe(ORDERS)
  expect(service.svid.spiffeId?.toString()).toBe(ORDERS)
  expect(await presentedSerialNumber(scene.endpoint())).toBe(service.source.svid?.leaf.serialNumber)
})

test.each([
  ['HTTP/1.1', Http1Caller],
  ['HTTP/2', Http2Caller],
] as const)(
  'on %s a workload is let in by the route that names it, and refused by the route that does not',
  async (_, Caller) => {
    await using caller = new Caller(scene.endpoint())

    const allowed = await caller.get('/orders')
    const refused = await caller.get('/ledger')

    expect(allowed.status).toBe(200)
    expect(JSON.parse(allowed.body)).toEqual({
      caller: WEB,
      serialNumber: scene.source.svid?.leaf.serialNumber,
    })
    expect(refused.status).toBe(403)
    expect(refused.body).not.toContain('bookkeeper')
  },
)

test('a workload does not talk to a service that is not the one it calls', async () => {
  await using caller = new Http1Caller({ ...scene.endpoint(), server: WEB })

  await expect(caller.get('/orders')).rejects.toMatchObject({ code: 'server-not-allowed' })
})

test('the connection of a caller without an SVID is closed before a request of its reaches the service', async () => {
  using rejections = new Rejections()
  const { port } = scene.service
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
  let answer = ''
  socket.on('error', () => {}).on('data', (chunk) => (answer += chunk.toString()))
  socket.end('GET /orders HTTP/1.1\r\nhost: orders\r\n\r\n')

  await once(socket, 'close')

  expect(answer).toBe('')
  expect(rejections.codes).toEqual(['no-certificate'])
})
