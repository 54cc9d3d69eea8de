import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { matchId, type SourceState } from '@fastify-spiffe/spiffe'
import { connect } from '@fastify-spiffe/tls'
import { Http2Caller } from '../spire/support/http2-caller.ts'
import { presentedSerialNumber } from '../spire/support/handshake.ts'
import { report } from '../spire/support/report.ts'
import { Relay } from '@fastify-spiffe-test/kit/relay'
import { Scene } from './support/scene.ts'
import { ORDERS } from './support/service.ts'
import { Traffic } from './support/traffic.ts'

// Renewed after 2 s; overdue after 3.
const SVID_TTL_MS = 4_000

let scene: Scene
let replacement: Relay | undefined

beforeEach(async () => {
  scene = await Scene.start(SVID_TTL_MS)
})

afterEach(async () => {
  await scene[Symbol.asyncDispose]()
  await replacement?.[Symbol.asyncDispose]()
  replacement = undefined
})

/** The states that the source has taken, this one first. */
function statesOf({ source }: Scene): readonly SourceState[] {
  const states = [source.state]
  source.onUpdate(() => {
    if (source.state !== states.at(-1)) states.push(source.state)
  })
  return states
}

const isExpired = () => scene.source.state === 'expired'

test('an agent that hangs costs no request until the SVID expires; then nothing is presented until it speaks', async () => {
  const { source, agent, service, endpoint } = scene
  await using kept = new Http2Caller(endpoint)
  await kept.get('/orders')
  {
    await using traffic = new Traffic(endpoint)
    agent.hang()
    await traffic.progress(50)
    expect(await traffic.failures()).toEqual([])
  }

  await scene.until(isExpired)
  expect(source.svid).toBeNull()
  expect(service.identity.svid).toBeNull()
  await expect(presentedSerialNumber(endpoint)).rejects.toMatchObject({ code: 'connect-failed' })
  const outward = { source, host: '127.0.0.1', port: service.port, server: matchId(ORDERS) }
  await expect(connect(outward)).rejects.toMatchObject({ code: 'no-svid' })
  // The connections that are open were proven while there was an SVID.
  expect((await kept.get('/orders')).status).toBe(200)

  const resumed = performance.now()
  agent.resume()
  const recovered = await scene.until(() => source.state === 'ready')
  report(`an SVID came ${Math.round(recovered - resumed)} ms after the agent spoke again`)
  expect(await presentedSerialNumber(endpoint)).toBe(scene.serialNumber)
  expect(kept.connections).toBe(1)
})

test('an agent that hangs and is replaced by another is left before the SVID expires', async () => {
  const { relay, agent, authority, source } = scene
  const states = statesOf(scene)
  const { pathname } = new URL(relay.address)
  agent.hang()
  await relay.refuse()
  await using successor = await authority.serve({ spiffeId: ORDERS, socketPath: pathname })
  const before = scene.serialNumber

  await successor.waitForStream()
  await scene.until(() => scene.serialNumber !== before)
  expect(source.state).toBe('ready')
  expect(states).not.toContain('expired')
})

/** How a connection dies so that we do not hear of it. */
const deaths: Record<string, () => Promise<void>> = {
  'that lets nothing through any more': async () => {
    const { relay, agent } = scene
    await relay.refuse()
    relay.up.pause()
    relay.down.pause()
    const [at, to] = [relay.address, agent.address].map((address) => ({
      path: new URL(address).pathname,
    }))
    replacement = await Relay.open({ at: at!, to: to! })
  },
  // Node 20 tells the other side of the error, and nobody here.
  'that brings something else than HTTP/2': async () => {
    scene.relay.down.inject(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await scene.agent.waitForNoStream()
  },
}

test.each(Object.entries(deaths))(
  'a connection %s is given up before the SVID expires',
  async (_name, die) => {
    await using traffic = new Traffic(scene.endpoint)
    const states = statesOf(scene)
    const before = scene.serialNumber
    const began = performance.now()
    await die()
    const heard = await scene.until(() => scene.serialNumber !== before)
    report(
      `news came ${Math.round(heard - began)} ms after the connection died; the SVID lives for ${SVID_TTL_MS}`,
    )
    expect(states).not.toContain('expired')
    expect(await traffic.failures()).toEqual([])
  },
)
