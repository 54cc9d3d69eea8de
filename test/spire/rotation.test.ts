import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { X509Source } from 'fastify-spiffe'
import { Workload, until } from './fixture/index.ts'
import { presentedSerialNumber } from './support/handshake.ts'
import { Http1Caller } from './support/http1-caller.ts'
import { Http1Connection } from './support/http1-connection.ts'
import { Http2Caller } from './support/http2-caller.ts'
import { Loads } from './support/load.ts'
import { report } from './support/report.ts'
import { nextRotation } from './support/rotations.ts'
import { Scene } from './support/scene.ts'

const ROTATIONS = 3
const BATCH = 'spiffe://a.test/acme/batch'

/** SPIRE's fastest: a new SVID about every 5 s, which is valid for 10. */
const x509SvidTtlMs = 10_000

let scene: Scene
let batch: Workload

beforeAll(async () => {
  scene = await Scene.start({ x509SvidTtlMs, allow: [BATCH] })
  batch = await Workload.start({ server: scene.server, path: '/acme/batch', x509SvidTtlMs })
})

afterAll(async () => {
  for (const part of [batch, scene]) await part?.[Symbol.asyncDispose]()
})

test('kept-alive connections outlive rotations, and new ones present the new SVID', async () => {
  const { service } = scene
  await using http1 = new Http1Connection(scene.endpoint())
  await using http2 = new Http2Caller(scene.endpoint())
  await using pooled = new Http1Caller(scene.endpoint())
  await using fresh = new Http1Caller({ ...scene.endpoint(), keepAlive: false })
  await using loads = new Loads()
  loads.start('kept-alive HTTP/1.1', http1)
  loads.start('kept-alive HTTP/2', http2)
  loads.start('SvidAgent', pooled)
  loads.start('new connections', fresh)
  const serialNumbers = new Set([await presentedSerialNumber(scene.endpoint())])

  for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
    const serialNumber = await nextRotation(service.source)
    expect(await presentedSerialNumber(scene.endpoint())).toBe(serialNumber)
    serialNumbers.add(serialNumber)
  }

  report(`the service's SVID rotated ${ROTATIONS} times`)
  expect(await loads.failures()).toEqual([])
  expect(serialNumbers.size).toBe(1 + ROTATIONS)
  expect([http1.connections, http2.connections]).toEqual([1, 1])
  expect(fresh.connections).toBeGreaterThan(100)
})

test('a caller whose own SVID rotates moves to new connections without a failed request', async () => {
  await using own = await X509Source.open({ address: batch.address })
  await using http1 = new Http1Caller(scene.endpoint(own))
  await using http2 = new Http2Caller(scene.endpoint(own))
  await using probe = new Http2Caller(scene.endpoint(own))
  await using loads = new Loads()
  loads.start('HTTP/1.1', http1)
  loads.start('HTTP/2', http2)

  for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
    const serialNumber = await nextRotation(own)
    expect(JSON.parse((await probe.get('/orders')).body)).toEqual({ caller: BATCH, serialNumber })
  }

  report(`the caller's SVID rotated ${ROTATIONS} times`)
  expect(await loads.failures()).toEqual([])
  expect(http2.connections).toBeLessThanOrEqual(1 + ROTATIONS)
})

test('the agent is killed and serving goes on; it comes back and rotation goes on', async () => {
  const { orders, service } = scene
  await using kept = new Http2Caller(scene.endpoint())
  await using fresh = new Http1Caller({ ...scene.endpoint(), keepAlive: false })
  await using loads = new Loads()
  loads.start('kept-alive HTTP/2', kept)
  loads.start('new connections', fresh)

  // Right after a rotation, so that the outage is shorter than the life of the SVID.
  const last = await nextRotation(service.source)
  await orders.agent.kill()
  const killed = performance.now()
  await until('the source is stale', () => service.source.state === 'stale')
  await loads.progress(50)
  expect(await presentedSerialNumber(scene.endpoint())).toBe(last)

  await orders.agent.restart()
  const back = performance.now()
  await until('a new SVID', () => service.source.svid?.leaf.serialNumber !== last)
  report(`the agent was away for ${Math.round(back - killed)} ms`)
  report(`a new SVID came ${Math.round(performance.now() - back)} ms after its return`)
  expect(service.source.state).toBe('ready')
  const resumed = await nextRotation(service.source)
  expect(await presentedSerialNumber(scene.endpoint())).toBe(resumed)

  expect(await loads.failures()).toEqual([])
  expect(kept.connections).toBe(1)
})
