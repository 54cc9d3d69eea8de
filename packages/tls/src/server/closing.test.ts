import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import http2, { type ClientHttp2Session } from 'node:http2'
import net from 'node:net'
import { Readable, type Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { createSvidTlsServer, type SvidServerOptions } from '../index.ts'
import { dial, HeldSource, mintMaterial, Loopback, portOf } from '../loopback.test.helper.ts'

const HOST = '127.0.0.1'
const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

/** A client that does not hang up when its server does: Node's types do not know the option. */
const halfOpen: object = { allowHalfOpen: true }

let source: HeldSource
let web: MintedCertificate

beforeAll(async () => {
  ;({ source, web } = await mintMaterial())
})

interface Timer {
  readonly delayMs: number
  readonly ring: () => void
}

/** A server whose timers ring when the test says so: what ends without one, ends by itself. */
async function serve(options: SvidServerOptions = {}) {
  const timers = new Set<Timer>()
  const setTimer = (ring: () => void, delayMs: number): (() => void) => {
    const timer = { delayMs, ring }
    timers.add(timer)
    return () => void timers.delete(timer)
  }
  const http = { keepAliveTimeout: 0, unknownProtocolTimeout: 2 ** 30 }
  const loopback = await Loopback.serve(source, {
    setTimer,
    http,
    handshakeTimeoutMs: 2 ** 30,
    ...options,
  })
  const { server } = loopback
  const close = (): Promise<unknown> => {
    const closed = once(server, 'close')
    server.close()
    return closed
  }
  const ring = (delayMs: number): void => {
    for (const timer of [...timers].filter((each) => each.delayMs === delayMs)) timer.ring()
  }
  return { loopback, server, port: loopback.port, close, ring, timers }
}

async function answer(socket: TLSSocket): Promise<string> {
  socket.write(GET)
  const [data] = await once(socket, 'data')
  return String(data)
}

async function idle(port: number): Promise<TLSSocket> {
  const socket = dial(port, web)
  socket.on('error', () => undefined)
  await answer(socket)
  return socket
}

async function session(port: number): Promise<ClientHttp2Session> {
  const createConnection = (): Duplex => dial(port, web, { protocol: 'h2' })
  const opened = http2.connect('https://localhost', { createConnection })
  opened.on('error', () => undefined)
  await once(opened, 'remoteSettings')
  return opened
}

function hold(server: Loopback['server']): Promise<ServerResponse> {
  server.removeAllListeners('request')
  return once(server, 'request').then(([, response]) => response)
}

describe('close() of a server', () => {
  test('ends connections that are idle, have asked nothing yet, or wait on their client to hang up', async () => {
    const { server, port, close } = await serve()
    await idle(port)
    const accepted = once(server, 'secureConnection')
    const silent = dial(port, web, halfOpen)
    await accepted
    const ended = once(silent, 'end')
    silent.resume()
    await close()
    await ended
    silent.destroy()
  })

  test('ends a connection that becomes idle after it began, although its response did not say so', async () => {
    const { server, port, close } = await serve()
    const held = hold(server)
    const socket = dial(port, web)
    socket.write(GET)
    const response = await held
    response.write('first')
    await once(socket, 'data')
    const closed = close()
    const rest = text(socket)
    response.end('last')
    expect(await rest).toContain('last')
    await closed
  })

  test('answers what is under way, and says that it is the last', async () => {
    const { server, port, close, timers } = await serve()
    const held = hold(server)
    const socket = dial(port, web)
    socket.write(GET)
    const response = await held
    const closed = close()
    expect([...timers].some(({ delayMs }) => delayMs === 10_000)).toBe(true)
    response.end('last')
    const answered = await text(socket)
    expect(answered).toMatch(/connection: close/i)
    expect(answered).toContain('last')
    await closed
    // The timer of the grace goes with the last connection.
    while ([...timers].some(({ delayMs }) => delayMs === 10_000)) await new Promise(setImmediate)
  })

  test('cuts what runs longer than the grace', async () => {
    const { server, port, close, ring } = await serve({ graceMs: 5000 })
    const held = hold(server)
    const socket = dial(port, web)
    socket.on('error', () => undefined).write(GET)
    const response = await held
    response.write('for ever')
    const closed = close()
    ring(5000)
    await closed
  })

  test.each([{ http2: true }, { http2: true, allowHTTP1: true }] as const)(
    'sends HTTP/2 sessions home, and lets their streams finish (%p)',
    async (options) => {
      const { server, port, close } = await serve(options)
      await session(port)
      const held = hold(server)
      const busy = await session(port)
      const goaway = once(busy, 'goaway')
      const stream = busy.request({ ':path': '/' })
      const response = await held
      const closed = close()
      await goaway
      response.end('last')
      expect(await text(stream as Readable)).toBe('last')
      await closed
    },
  )

  test('cuts an HTTP/2 client that was sent home and stays', async () => {
    const { port, close, ring, server } = await serve({ http2: true })
    const socket = dial(port, web, { protocol: 'h2', ...halfOpen })
    socket.on('error', () => undefined).resume()
    const opened = once(server, 'session')
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0')
    await opened
    const closed = close()
    await once(socket, 'end')
    ring(1000)
    await closed
    socket.destroy()
  })

  test.each([{ http2: true }, { http2: true, allowHTTP1: true }, {}] as const)(
    'ends a client that speaks HTTP/2 without having negotiated it (%p)',
    async (options) => {
      const { server, port, close } = await serve(options)
      const accepted = once(server, 'secureConnection')
      const socket = dial(port, web, { ALPNProtocols: undefined, ...halfOpen })
      socket.on('error', () => undefined).resume()
      await accepted
      await close()
      socket.destroy()
    },
  )

  test('cuts upgraded sockets after the grace', async () => {
    const { server, port, close, ring } = await serve()
    server.on('upgrade', (_request, upgraded: Duplex) => {
      upgraded.on('error', () => undefined).write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    })
    const socket = dial(port, web)
    socket.on('error', () => undefined)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n')
    await once(socket, 'data')
    const closed = close()
    ring(10_000)
    await closed
  })

  test.each([{}, { http2: true }] as const)(
    'cuts handshakes that are under way, and such as never begin (%p)',
    async (options) => {
      const { server, port, close } = await serve(options)
      const accepted = once(server, 'connection')
      const stalled = net.connect(port, HOST).on('error', () => undefined)
      await accepted
      const acceptedNext = once(server, 'connection')
      const begun = net.connect(port, HOST).on('error', () => undefined)
      begun.write(Buffer.from('160301', 'hex'))
      await acceptedNext
      await close()
      for (const socket of [stalled, begun]) socket.destroy()
    },
  )

  test('twice is an error for the second caller alone, and nothing where it never listened', async () => {
    const { server, port } = await serve()
    await idle(port)
    const outcomes: unknown[] = []
    const closed = once(server, 'close')
    server.close((error) => outcomes.push(error))
    server.close((error) => outcomes.push(error))
    await closed
    await new Promise(setImmediate)
    expect(outcomes).toHaveLength(2)
    expect(outcomes).toContainEqual(expect.objectContaining({ code: 'ERR_SERVER_NOT_RUNNING' }))
    expect(outcomes).toContain(undefined)
  })

  test('lets connections stay again once the server listens again', async () => {
    const { server, loopback, close } = await serve()
    await close()
    server.listen(0, HOST)
    await once(server, 'listening')
    const socket = await idle(loopback.port)
    expect(await answer(socket)).toMatch(/^HTTP\/1\.1 200 /)
    await close()
  })
})

test.each([{}, { http2: true }] as const)(
  'closeAllConnections() cuts every connection, sessions and handshakes included (%p)',
  async (options) => {
    const { server, port, close } = await serve(options)
    const held = hold(server)
    const sockets: (net.Socket | ClientHttp2Session)[] = [
      net.connect(port, HOST).on('error', () => undefined),
    ]
    if ('http2' in options) {
      const busy = await session(port)
      busy.request({ ':path': '/' }).on('error', () => undefined)
      sockets.push(busy)
    } else {
      const socket = dial(port, web)
      socket.on('error', () => undefined).write(GET)
      sockets.push(socket)
    }
    await held
    const closed = close()
    expect(server).toHaveProperty('closeAllConnections')
    Reflect.apply(Reflect.get(server, 'closeAllConnections') as () => void, server, [])
    await closed
    for (const socket of sockets) socket.destroy()
  },
)

test('close() of a server without HTTP lets its connections finish, and cuts them after the grace', async () => {
  const rings: (() => void)[] = []
  const setTimer = (ring: () => void): (() => void) => {
    rings.push(ring)
    return () => undefined
  }
  const server = createSvidTlsServer(source, { setTimer }, (socket) => {
    socket.on('error', () => undefined).pipe(socket)
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  const socket = dial(portOf(server), web)
  socket.on('error', () => undefined).write('before')
  await once(socket, 'data')
  const closed = once(server, 'close')
  server.close()
  socket.write('after')
  expect(String((await once(socket, 'data'))[0])).toBe('after')
  for (const ring of rings) ring()
  await closed
})
