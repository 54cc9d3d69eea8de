import { randomBytes } from 'node:crypto'
import { constants } from 'node:http2'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { presentedSerialNumber } from '../spire/support/handshake.ts'
import { report } from '../spire/support/report.ts'
import { Relay } from '@fastify-spiffe-test/kit/relay'
import { frame, respond, respondAndEnd } from './support/grpc-frames.ts'
import { Impostor } from './support/impostor.ts'
import { Scene } from './support/scene.ts'
import { ORDERS } from './support/service.ts'
import { Traffic } from './support/traffic.ts'

/** Promised are 2 s; a machine that is busy with other things gets more. */
const RECOVERY_MS = 10_000

let scene: Scene

beforeAll(async () => {
  scene = await Scene.start()
})

afterAll(() => scene[Symbol.asyncDispose]())

/** Begins a fault, and returns what ends it. */
type Fault = () => Promise<() => Promise<void> | void>

/** Requests that run on meanwhile all succeed, and the SVID that was issued meanwhile arrives. */
async function endure(fault: Fault): Promise<void> {
  await using traffic = new Traffic(scene.endpoint)
  await traffic.progress(5)
  const before = scene.serialNumber

  const end = await fault()
  await scene.authority.rotateSvids()
  await traffic.progress(20)
  const ended = performance.now()
  await end()
  const recovered = await scene.until(
    () => scene.source.state === 'ready' && scene.serialNumber !== before,
  )

  report(`the next SVID came ${Math.max(0, Math.round(recovered - ended))} ms after the fault`)
  expect(recovered - ended).toBeLessThan(RECOVERY_MS)
  expect(await presentedSerialNumber(scene.endpoint)).toBe(scene.serialNumber)
  expect(await traffic.failures()).toEqual([])
}

const stale = () => scene.until(() => scene.source.state === 'stale')

const kill = async (): Promise<void> => {
  await scene.relay.refuse()
  scene.relay.cut()
  await stale()
}

const connectionFaults: Record<string, Fault> = {
  'is killed, and restarted on a re-created socket': async () => {
    await kill()
    return () => scene.relay.accept()
  },
  'is killed behind a proxy that lives on': async () => {
    await scene.agent.stop()
    await stale()
    return () => scene.agent.start()
  },
  'closes its half of the connection': async () => {
    scene.relay.down.end()
    await stale()
    return () => {}
  },
  'hears nothing any more, for our half of the connection is closed': async () => {
    scene.relay.up.end()
    await stale()
    return () => {}
  },
  'is cut off in the middle of a message': async () => {
    scene.relay.down.cutAfter(300)
    return () => {}
  },
  'is slow: every piece takes 300 ms': async () => {
    scene.relay.up.delay(300)
    scene.relay.down.delay(300)
    return () => scene.relay.up.clear()
  },
  'drips one byte at a time': async () => {
    scene.relay.down.drip(1)
    return () => {}
  },
  'drips one byte at a time, from the handshake on': async () => {
    scene.relay.cut()
    await stale()
    scene.relay.up.drip(1)
    scene.relay.down.drip(1)
    return () => {}
  },
  'is paused with the message half way': async () => {
    scene.relay.down.pause()
    return () => scene.relay.down.resume()
  },
}

describe.each(Object.entries(connectionFaults))('an agent that %s', (_name, fault) => {
  test('costs no request, and the next SVID arrives', async () => {
    await endure(fault)
    scene.relay.up.clear()
    scene.relay.down.clear()
  })
})

const MEGABYTE = 1024 * 1024

/** What answers at the agent's socket instead of it: bytes of any kind. */
const strangers: Record<string, (socket: Socket) => void> = {
  'cuts each connection': (socket) => socket.destroy(),
  'says nothing, and closes': (socket) => socket.end(),
  'speaks HTTP/1.1': (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  'speaks TLS': (socket) => socket.end(Buffer.from('15030100020250', 'hex')),
  'sends a megabyte of noise': (socket) => socket.write(randomBytes(MEGABYTE)),
}

/** The same, with HTTP/2 that is right and a call that is answered wrong. */
const liars: Record<string, (stream: ServerHttp2Stream) => void> = {
  'answers with a message that is no protobuf': (stream) =>
    respond(stream, frame(randomBytes(500))),
  'answers with an empty message': (stream) => respond(stream, frame(Buffer.alloc(0))),
  'ends a message half way, with the status OK': (stream) =>
    respondAndEnd(stream, frame(randomBytes(100), 1_000), 0),
  'announces a message of 4 GB': (stream) => respond(stream, frame(randomBytes(100), 0xffff_ffff)),
  'sends a message over the limit of 64 MB': (stream) => flood(stream, 65 * MEGABYTE),
  'resets the stream in the middle of a message': (stream) => {
    respond(stream, frame(randomBytes(100), 1_000))
    setImmediate(() => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
  },
  'answers with a status of HTTP': (stream) => {
    stream.respond({ ':status': 502, 'content-type': 'text/html' })
    stream.end('<h1>Bad Gateway</h1>')
  },
  'ends each call at once, well': (stream) => respondAndEnd(stream, Buffer.alloc(0), 0),
  'is always unavailable': (stream) => respondAndEnd(stream, Buffer.alloc(0), 14),
}

function flood(stream: ServerHttp2Stream, bytes: number): void {
  respond(stream, frame(Buffer.alloc(0), bytes))
  const chunk = Buffer.alloc(MEGABYTE)
  let left = bytes
  const write = (): void => {
    while (left > 0 && !stream.destroyed && stream.write(chunk)) left -= chunk.length
  }
  stream.on('drain', write)
  write()
}

const path = (): string => new URL(scene.relay.address).pathname

function replacedBy(listen: () => Promise<Impostor>, meetings: number): Fault {
  return async () => {
    await kill()
    const impostor = await listen()
    await impostor.met(meetings)
    return async () => {
      await impostor[Symbol.asyncDispose]()
      await scene.relay.accept()
    }
  }
}

test.each(Object.entries(strangers))(
  'in the place of the agent, one that %s costs no request, and the next SVID arrives when the agent is back',
  (_name, script) => endure(replacedBy(() => Impostor.bytes(path(), script), 2)),
)

test.each(Object.entries(liars))(
  'in the place of the agent, one that %s costs no request, and the next SVID arrives when the agent is back',
  (_name, script) => endure(replacedBy(() => Impostor.calls(path(), script), 1)),
)

test('after a long time of refusals the next SVID arrives as soon', async () => {
  await endure(async () => {
    scene.agent.fail('UNAVAILABLE')
    scene.relay.cut()
    // As many as it takes for the waits to grow as long as they get.
    for (let calls = 0; calls < 5; calls++) await scene.agent.nextCall()
    return () => scene.agent.resume()
  })
})

test('a socket that another agent takes over is followed when the connection to the old one ends', async () => {
  const successorPath = `${path()}-of-successor`
  await using successor = await scene.authority.serve({
    spiffeId: ORDERS,
    socketPath: successorPath,
  })
  await endure(async () => {
    await scene.relay.refuse()
    const relay = await Relay.open({ at: { path: path() }, to: { path: successorPath } })
    expect(successor.openStreams()).toBe(0)
    scene.relay.cut()
    await successor.waitForStream()
    return async () => {
      await relay[Symbol.asyncDispose]()
      await scene.relay.accept()
    }
  })
})
