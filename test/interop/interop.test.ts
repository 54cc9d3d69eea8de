import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Rejections } from '../spire/support/rejections.ts'
import { report } from '../spire/support/report.ts'
import type {
  ClientOptions,
  ClientRole,
  PeerAnswer,
  PeerClient,
  PeerServer,
  ServerOptions,
  ServerRole,
} from './peer.ts'
import { PEERS } from './peers.ts'
import { Handshakes } from './support/handshakes.ts'
import { callAsUs } from './support/our-client.ts'
import { prepare, type Preparation } from './support/preparation.ts'
import { callThroughRotation } from './support/rotation.ts'
import type { Rotation } from './support/rotation.ts'
import { FOREIGN, OURS, PARTNER, THEIRS, startScene } from './support/scene.ts'
import type { Scene } from './support/scene.ts'

/** One after the other: a build takes all that a small machine has. */
const preparations = new Map<string, Preparation>()
for (const peer of PEERS) preparations.set(peer.name, await prepare(peer))

/** One for each SVID, of two, and one that a pool may open beside them. */
const MOST_KEPT_CONNECTIONS = 3

let scene: Scene

beforeAll(async () => {
  scene = await startScene()
})

afterAll(async () => {
  await scene?.[Symbol.asyncDispose]()
})

// What says "no" to every peer could be out of order.
test('the services that every peer must refuse let in the peers that they know', async () => {
  const { other, stranger } = scene.services
  const among = await callAsUs({ source: other.source, port: other.port, server: THEIRS })
  const abroad = await callAsUs({ source: stranger.source, port: stranger.port, server: FOREIGN })

  expect([among.caller, abroad.caller]).toEqual([THEIRS, FOREIGN])
})

for (const [name, preparation] of preparations) {
  if (preparation.state === 'ready') {
    const { version, client, server } = preparation.program
    describe(`${name} ${version}`, () => {
      describe('as our client', () => testRole(client, clientTests))
      describe('as our server', () => testRole(server, serverTests))
    })
  } else if (preparation.state === 'left out') {
    describe(name, () => test.skip(`left out: ${preparation.reason}`, () => {}))
  } else {
    describe(name, () => {
      test('can be built and started', () => {
        throw preparation.error
      })
    })
  }
}

function testRole<Role extends object>(role: Role | string, tests: (role: Role) => void): void {
  if (typeof role === 'string') test.skip(`left out: ${role}`, () => {})
  else tests(role)
}

function clientTests({ knows, keepsConnections, start }: ClientRole): void {
  let client: PeerClient

  beforeAll(async () => {
    client = await start(to('ours', OURS))
  })

  afterAll(async () => {
    await client?.[Symbol.asyncDispose]()
  })

  test('is let in with the SPIFFE ID that its agent gave it', async () => {
    const { server, caller } = readAnswer(await client.get())

    expect(caller).toBe(THEIRS)
    if (server !== null) expect(server).toBe(OURS)
  })

  test('is let in from a federated trust domain', async () => {
    await using partner = await start(to('ours', OURS, 'partner'))

    expect(readAnswer(await partner.get()).caller).toBe(PARTNER)
  })

  test('is refused from a foreign trust domain', async () => {
    using rejections = new Rejections()
    await using foreign = await start(to('ours', OURS, 'foreign'))

    await expect(foreign.get()).rejects.toThrow()
    expect(rejections.codes).toContain('unknown-trust-domain')
  })

  test('refuses a service of a foreign trust domain', async () => {
    await using misled = await start(to('stranger', FOREIGN))

    await expect(misled.get()).rejects.toThrow()
  })

  test(`refuses a service without the ${knows} that it looks for`, async () => {
    await using misled = await start(to('other', OURS))

    await expect(misled.get()).rejects.toThrow()
  })

  test('calls without a failure while both SVIDs rotate', async () => {
    const { source } = scene.services.ours
    const rotation = await callThroughRotation(source, async () => {
      const { caller, serialNumber } = readAnswer(await client.get())
      expect(caller).toBe(THEIRS)
      return serialNumber
    })

    expectRotated(rotation)
  })

  if (keepsConnections) {
    test('keeps a connection until we send it away with its SVID, and loses no call', async () => {
      using handshakes = new Handshakes()
      const { source } = scene.services.ours
      const rotation = await callThroughRotation(source, async () => {
        const { serialNumber } = readAnswer(await kept(client))
        return serialNumber
      })

      expectRotated(rotation)
      expect(handshakes.count).toBeLessThanOrEqual(MOST_KEPT_CONNECTIONS)
    })
  }
}

function serverTests({ knows, tellsCaller, start }: ServerRole): void {
  let server: PeerServer

  beforeAll(async () => {
    server = await start(as('theirs'))
  })

  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
  })

  async function expectForeignCallerRefused(): Promise<void> {
    const { source } = scene.services.stranger

    await expect(callAsUs({ source, server: THEIRS, port: server.port })).rejects.toThrow()
  }

  test('lets us in, and proves the SPIFFE ID that its agent gave it', async () => {
    const { source } = scene.services.ours
    const answer = await callAsUs({ source, server: THEIRS, port: server.port })

    expect(answer).toMatchObject({ server: THEIRS, caller: tellsCaller ? OURS : null })
  })

  test('is accepted from a federated trust domain, and accepts us', async () => {
    const { source } = scene.services.ours
    await using partner = await start(as('partner'))
    const answer = await callAsUs({ source, server: PARTNER, port: partner.port })

    expect(answer).toMatchObject({ server: PARTNER, caller: tellsCaller ? OURS : null })
  })

  test('is refused from a foreign trust domain', async () => {
    const { source } = scene.services.ours
    await using foreign = await start(as('foreign'))

    await expect(callAsUs({ source, server: FOREIGN, port: foreign.port })).rejects.toMatchObject({
      code: 'server-refused',
      rejection: 'unknown-trust-domain',
    })
  })

  test('refuses a caller of a foreign trust domain', expectForeignCallerRefused)

  // A server that knows its callers by the bundle only cannot tell them apart.
  if (knows === 'SPIFFE ID') {
    test('refuses a caller that it does not name', async () => {
      const { source } = scene.services.other

      await expect(callAsUs({ source, server: THEIRS, port: server.port })).rejects.toThrow()
    })
  }

  test('answers without a failure while both SVIDs rotate', async () => {
    const { source } = scene.services.ours
    const rotation = await callThroughRotation(source, async () => {
      const call = { source, server: THEIRS, port: server.port }
      const { caller, serialNumber } = await callAsUs(call)
      expect(caller).toBe(tellsCaller ? OURS : null)
      return serialNumber
    })

    expectRotated(rotation)
    await expectForeignCallerRefused()
  })
}

function kept(client: PeerClient): Promise<PeerAnswer> {
  if (client.getKept === undefined) throw new Error('this client keeps no connection')
  return client.getKept()
}

/** A client with the identity of a workload, for a service that must have the SPIFFE ID `server`. */
function to(
  service: keyof Scene['services'],
  server: string,
  workload: keyof Scene['workloads'] = 'theirs',
): ClientOptions {
  const { port } = scene.services[service]
  return { workload: scene.workloads[workload], port, server }
}

/** A server with the identity of a workload, which lets us in, and strangers too if only it trusted them. */
function as(workload: keyof Scene['workloads']): ServerOptions {
  return { workload: scene.workloads[workload], callers: [OURS, FOREIGN] }
}

function readAnswer({ server, body }: PeerAnswer): {
  server: string | null
  caller: string
  serialNumber: string
} {
  return { server, ...(JSON.parse(body) as { caller: string; serialNumber: string }) }
}

function expectRotated({ calls, failures, svids }: Rotation): void {
  const { currentTestName = '' } = expect.getState()
  const rotated = `SVIDs: ${svids.ours} ours, ${svids.theirs} theirs`
  report(`${currentTestName}: ${calls} calls, ${failures.length} failed, ${rotated}`)
  expect(failures).toEqual([])
  expect(svids.ours).toBeGreaterThan(1)
  expect(svids.theirs).toBeGreaterThan(1)
}
