import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { createDispatcher, type DispatcherOptions } from '@fastify-spiffe/fetch'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { createSvidServer, peerOf, tlsOptions } from '@fastify-spiffe/tls'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { WebSocket as UndiciWebSocket } from 'undici'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import { bundlesOf } from '../support/verdict.ts'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'

let authority: MintedCa
let service: ReturnType<typeof createSvidServer>
let url: string
const sockets = new Set<TLSSocket>()

const mint = async (id: string): Promise<X509Svid> => (await authority.mint(id)).toX509Svid()

const newClient = async (): Promise<ScriptedSource> =>
  new ScriptedSource(await mint(WEB), bundlesOf(authority))

/** Answers each message with the serial number of who sent it. */
beforeAll(async () => {
  authority = await mintRootCa('example.org')
  service = createSvidServer(new ScriptedSource(await mint(ORDERS), bundlesOf(authority)))
  service.on('secureConnection', (socket: TLSSocket) => sockets.add(socket))
  new WebSocketServer({ server: service }).on('connection', (socket, { socket: connection }) => {
    const serial = peerOf(connection)?.serialNumber
    socket.on('message', () => socket.send(String(serial))).on('error', () => undefined)
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  url = `wss://127.0.0.1:${(service.address() as AddressInfo).port}/`
})

afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  service.close()
  await once(service, 'close')
})

/** The WebSockets of undici, of Node and of `ws`, as far as the tests need them. */
interface AnyWebSocket {
  send(data: string): void
  close(): void
  addEventListener(
    type: 'close' | 'error' | 'message' | 'open',
    listener: (event: object) => void,
    options?: { once: boolean },
  ): void
}

/** The next event of a kind; an error if the WebSocket fails before. */
function next(socket: AnyWebSocket, type: 'close' | 'message' | 'open'): Promise<unknown> {
  return new Promise((resolve, reject) => {
    socket.addEventListener(type, (event) => resolve(Reflect.get(event, 'data')), { once: true })
    if (type === 'close') return
    socket.addEventListener('error', () => reject(new Error('the WebSocket failed')))
  })
}

async function opened(socket: AnyWebSocket): Promise<AnyWebSocket> {
  await next(socket, 'open')
  return socket
}

/** As whom the service knows a WebSocket. */
async function serialOver(socket: AnyWebSocket): Promise<unknown> {
  const answer = next(socket, 'message')
  socket.send('who am I?')
  return answer
}

async function close(...all: readonly AnyWebSocket[]): Promise<void> {
  for (const socket of all) {
    const closed = next(socket, 'close')
    socket.close()
    await closed
  }
}

type Make = (dispatcher: ReturnType<typeof createDispatcher>) => AnyWebSocket

const byDispatcher: [string, Make][] = [
  ['undici', (dispatcher) => new UndiciWebSocket(url, { dispatcher })],
]
const BuiltIn: unknown = Reflect.get(globalThis, 'WebSocket')
if (typeof BuiltIn === 'function') {
  byDispatcher.push(['Node', (dispatcher) => Reflect.construct(BuiltIn, [url, { dispatcher }])])
} else {
  process.stdout.write('the built-in WebSocket is not tested: it needs Node 22 or later\n')
}

/** Timers that pass when the test says so. */
class ManualTimers {
  readonly #tasks = new Map<() => void, number>()

  readonly set: NonNullable<DispatcherOptions['setTimer']> = (task, delayMs) => {
    const entry = (): void => task()
    this.#tasks.set(entry, delayMs)
    return () => void this.#tasks.delete(entry)
  }

  pass(delayMs: number): void {
    for (const [task, delay] of this.#tasks) if (delay === delayMs) task()
  }
}

describe.each(byDispatcher)('WebSocket of %s, with the dispatcher', (_name, make) => {
  test('goes on over a renewal of the SVID, for rotationGraceMs, while new ones present the new SVID', async () => {
    const source = await newClient()
    const timers = new ManualTimers()
    const given = { source, server: ORDERS, setTimer: timers.set }
    const dispatcher = createDispatcher({ ...given, rotationGraceMs: 4321 })
    const before = source.svid?.leaf.serialNumber
    const running = await opened(make(dispatcher))
    expect(await serialOver(running)).toBe(before)
    source.set(await mint(WEB), source.bundles)
    expect(await serialOver(running)).toBe(before)
    const later = await opened(make(dispatcher))
    expect(await serialOver(later)).toBe(source.svid?.leaf.serialNumber)
    const ended = next(running, 'close')
    timers.pass(4321)
    await ended
    expect(await serialOver(later)).toBe(source.svid?.leaf.serialNumber)
    await close(later)
    await dispatcher.destroy()
  })

  test('ends when the proof of its server has ended, after graceMs, and none opens from then on', async () => {
    const source = await newClient()
    const timers = new ManualTimers()
    const given = { source, server: ORDERS, setTimer: timers.set }
    const dispatcher = createDispatcher({ ...given, graceMs: 1234 })
    const running = await opened(make(dispatcher))
    source.set(source.svid, bundlesOf(await mintRootCa('example.org')))
    await expect(opened(make(dispatcher))).rejects.toThrow()
    const ended = next(running, 'close')
    timers.pass(1234)
    await ended
    await dispatcher.destroy()
  })

  test('opens to no server with another SPIFFE ID', async () => {
    const dispatcher = createDispatcher({ source: await newClient(), server: WEB })
    const before = sockets.size
    await expect(opened(make(dispatcher))).rejects.toThrow()
    expect(sockets.size).toBe(before)
    await dispatcher.destroy()
  })
})

function makeWs(source: ScriptedSource, server: string): WebSocket {
  // The types of `ws` have another `checkServerIdentity` than Node's.
  return new WebSocket(url, { ...tlsOptions({ source, server }) } as unknown as ClientOptions)
}

describe('WebSocket of ws, with tlsOptions', () => {
  test('goes on over a renewal of the SVID, while a new one presents the new SVID', async () => {
    const source = await newClient()
    const before = source.svid?.leaf.serialNumber
    const running = await opened(makeWs(source, ORDERS))
    expect(await serialOver(running)).toBe(before)
    source.set(await mint(WEB), source.bundles)
    const later = await opened(makeWs(source, ORDERS))
    expect(await serialOver(later)).toBe(source.svid?.leaf.serialNumber)
    expect(await serialOver(running)).toBe(before)
    await close(running, later)
  })

  test('fails at a server with another SPIFFE ID, and says so', async () => {
    const [error] = await once(makeWs(await newClient(), WEB), 'error')
    expect(error).toMatchObject({ code: 'server-not-allowed' })
  })
})
