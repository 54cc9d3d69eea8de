import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { TlsError } from '@fastify-spiffe/tls'
import { Workload, until } from './fixture/index.ts'
import { presentedSerialNumber } from './support/handshake.ts'
import { Http1Caller } from './support/http1-caller.ts'
import { report } from './support/report.ts'
import { Scene } from './support/scene.ts'

const WITHDRAWAL_MS = 5_000

let scene: Scene

beforeAll(async () => {
  scene = await Scene.start()
})

afterAll(() => scene?.[Symbol.asyncDispose]())

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
      await presentedSerialNumber(scene.endpoint())
      return null
    } catch (error) {
      return error instanceof TlsError && error.code === 'connect-failed' && performance.now()
    }
  })
}

test('a service whose entry is deleted stops presenting, and presents again when it is back', async () => {
  const { orders, service } = scene
  const presented = presentedSerialNumber(scene.endpoint())
  await expect(presented).resolves.toBe(service.source.svid?.leaf.serialNumber)

  await orders.unregister()
  const [denied, ended] = await Promise.all([agentDenies(orders), presentationEnds()])

  const delay = Math.round(ended - denied)
  report(`from the agent's refusal to handshakes without SVID: ${delay} ms (asked every 100 ms)`)
  expect(ended - denied).toBeLessThan(WITHDRAWAL_MS)
  expect(service.source.state).toBe('denied')
  expect(service.source.svid).toBeNull()
  await expect(presentedSerialNumber(scene.endpoint())).rejects.toMatchObject({
    code: 'connect-failed',
  })

  await orders.register()

  await until('an SVID is presented again', () => presentedSerialNumber(scene.endpoint()))
  expect(service.source.state).toBe('ready')
})

test('a caller whose entry is deleted opens no connection any more', async () => {
  const { source, web } = scene
  await using caller = new Http1Caller({ ...scene.endpoint(), keepAlive: false })
  expect((await caller.get('/orders')).status).toBe(200)

  await web.unregister()
  await agentDenies(web)
  await until('the source is denied', () => source.state === 'denied', { timeoutMs: WITHDRAWAL_MS })

  await expect(caller.get('/orders')).rejects.toMatchObject({ code: 'no-svid' })
})
