import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { until } from '../spire/fixture/index.ts'
import { presentedSerialNumber } from '../spire/support/handshake.ts'
import { report } from '../spire/support/report.ts'
import { nextRotation } from '../spire/support/rotations.ts'
import { Scene } from '../spire/support/scene.ts'
import { Traffic } from './support/traffic.ts'

let scene: Scene

/** SPIRE's fastest: a new SVID about every 5 s, which is valid for 10. */
beforeAll(async () => {
  scene = await Scene.start({ x509SvidTtlMs: 10_000 })
}, 120_000)

afterAll(() => scene?.[Symbol.asyncDispose]())

const serialNumber = () => scene.service.source.svid?.leaf.serialNumber

/** Resolves with the milliseconds that it took until the service held another SVID than this one. */
async function successorOf(before: string | undefined): Promise<number> {
  const { source } = scene.service
  const since = performance.now()
  const signal = AbortSignal.timeout(30_000)
  while (source.state !== 'ready' || serialNumber() === before) await source.nextUpdate({ signal })
  return Math.round(performance.now() - since)
}

test('an agent that is killed and restarted on a re-created socket costs no request', async () => {
  await using traffic = new Traffic(scene.endpoint())
  const before = await nextRotation(scene.service.source)
  await scene.orders.agent.kill()
  await until('the source is stale', () => scene.service.source.state === 'stale')
  await traffic.progress(50)

  await scene.orders.agent.restart()
  report(`a new SVID came ${await successorOf(before)} ms after the agent was healthy again`)
  expect(await presentedSerialNumber(scene.endpoint())).toBe(serialNumber())
  expect(await traffic.failures()).toEqual([])
}, 60_000)

test('an agent that is stopped by a signal costs no request until the SVID expires, and recovers', async () => {
  const { agent } = scene.orders
  const { source, svid } = scene.service
  const before = await nextRotation(source)
  {
    await using traffic = new Traffic(scene.endpoint())
    agent.suspend()
    await traffic.progress(100)
    expect(await traffic.failures()).toEqual([])
  }
  await until('the SVID has expired', () => source.state === 'expired', { timeoutMs: 15_000 })
  expect([source.svid, svid.spiffeId]).toEqual([null, null])
  await expect(presentedSerialNumber(scene.endpoint())).rejects.toMatchObject({
    code: 'connect-failed',
  })

  agent.resume()
  report(`a new SVID came ${await successorOf(before)} ms after the agent went on`)
  expect(await presentedSerialNumber(scene.endpoint())).toBe(serialNumber())
}, 60_000)
