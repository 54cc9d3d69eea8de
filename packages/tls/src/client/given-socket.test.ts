import { once } from 'node:events'
import http from 'node:http'
import net, { type Socket } from 'node:net'
import { Duplex, duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { beforeAll, expect, test } from '@jest/globals'
import { connect, peerOf } from '../index.ts'
import { bundlesOf, HeldSource, Loopback, portOf } from '../loopback.test.helper.ts'

const SERVER_ID = 'spiffe://example.org/server'
const WEB_ID = 'spiffe://example.org/acme/web'
const HOST = '127.0.0.1'
const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

let authority: MintedCa
let server: HeldSource
let web: HeldSource

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  const sourceOf = async (id: string) =>
    new HeldSource((await authority.mint(id)).toX509Svid(), bundlesOf(authority))
  server = await sourceOf(SERVER_ID)
  web = await sourceOf(WEB_ID)
})

/** A proxy for CONNECT (RFC 9110 §9.3.6), which counts its tunnels. */
class Proxy implements AsyncDisposable {
  readonly #server = http.createServer()
  readonly #sockets = new Set<Socket>()
  tunnels = 0

  static async start(greeting = ''): Promise<Proxy> {
    const proxy = new Proxy()
    proxy.#server.on('connect', (request, socket, head) => {
      const [host = '', port] = (request.url ?? '').split(':')
      const onward = net.connect(Number(port), host)
      proxy.tunnels++
      for (const each of [socket as Socket, onward]) {
        proxy.#sockets.add(each)
        each.on('error', () => undefined)
      }
      socket.write(`HTTP/1.1 200 OK\r\n\r\n${greeting}`)
      onward.write(head)
      socket.pipe(onward).pipe(socket)
    })
    proxy.#server.listen(0, HOST)
    await once(proxy.#server, 'listening')
    return proxy
  }

  /** Opens a tunnel as documentation shows it. */
  async tunnelTo(port: number): Promise<Duplex> {
    const request = http.request({
      host: HOST,
      port: portOf(this.#server),
      method: 'CONNECT',
      path: `${HOST}:${port}`,
    })
    request.end()
    const [, socket, head] = (await once(request, 'connect')) as [unknown, Socket, Buffer]
    if (head.length > 0) socket.unshift(head)
    return socket
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

const optionsFor = (port: number, socket: Duplex) => ({
  source: web,
  server: SERVER_ID,
  host: HOST,
  port,
  socket,
})

test('connects through a proxy, and verifies the server at the end of the tunnel', async () => {
  await using loopback = await Loopback.serve(server)
  await using proxy = await Proxy.start()
  const tunnel = await proxy.tunnelTo(loopback.port)
  const socket = await connect(optionsFor(loopback.port, tunnel))
  expect(peerOf(socket)?.spiffeId.toString()).toBe(SERVER_ID)
  socket.write(REQUEST)
  expect(await text(socket)).toContain(WEB_ID)
  if (!tunnel.destroyed) await once(tunnel, 'close')
  expect(proxy.tunnels).toBe(1)
})

test('refuses a server with another SPIFFE ID at the end of a tunnel, and destroys the tunnel', async () => {
  await using loopback = await Loopback.serve(server)
  await using proxy = await Proxy.start()
  const tunnel = await proxy.tunnelTo(loopback.port)
  const options = { ...optionsFor(loopback.port, tunnel), server: WEB_ID }
  await expect(connect(options)).rejects.toMatchObject({ code: 'server-not-allowed' })
  if (!tunnel.destroyed) await once(tunnel, 'close')
  expect(loopback.requests).toBe(0)
})

test('takes what comes before the handshake for no part of what the server says', async () => {
  await using loopback = await Loopback.serve(server)
  await using proxy = await Proxy.start('HTTP/1.1 200 OK\r\n\r\ninjected')
  const tunnel = await proxy.tunnelTo(loopback.port)
  const failed = connect(optionsFor(loopback.port, tunnel))
  await expect(failed).rejects.toMatchObject({ code: 'connect-failed' })
  expect(tunnel.destroyed).toBe(true)
})

test('fails when the tunnel ends during the handshake, and when it has ended before', async () => {
  const [ours, theirs] = duplexPair()
  const failed = connect(optionsFor(1, ours))
  theirs.once('data', () => ours.destroy(new Error('cut')))
  await expect(failed).rejects.toMatchObject({ code: 'connect-failed' })
  const again = connect(optionsFor(1, ours))
  await expect(again).rejects.toMatchObject({ code: 'connect-failed' })
  theirs.destroy()
})

test('destroys the tunnel when time is up, when it is aborted, and when there is no SVID', async () => {
  const late = duplexPair()
  const timedOut = connect({ ...optionsFor(1, late[0]), timeoutMs: 10 })
  await expect(timedOut).rejects.toMatchObject({ code: 'connect-timeout' })
  const stopped = duplexPair()
  const signal = AbortSignal.abort(new Error('enough'))
  const stop = new AbortController()
  const aborted = connect({ ...optionsFor(1, stopped[0]), signal: stop.signal })
  stop.abort(signal.reason)
  await expect(aborted).rejects.toBe(signal.reason)
  const unused = duplexPair()
  const source = new HeldSource(null, web.bundles)
  const without = connect({ ...optionsFor(1, unused[0]), source })
  await expect(without).rejects.toMatchObject({ code: 'no-svid' })
  for (const [ours, theirs] of [late, stopped, unused]) {
    if (!ours.closed) await once(ours, 'close')
    theirs.destroy()
  }
})

test.each([
  ['a value that is no stream', { socket: {} }],
  ['the address of a tunnel', { localAddress: HOST }],
  ['a look-up for a tunnel', { lookup: () => undefined }],
])('refuses %s', async (_what, wrong) => {
  const [ours] = duplexPair()
  const options = { ...optionsFor(1, ours), ...wrong } as never
  await expect(connect(options)).rejects.toMatchObject({ code: 'invalid-option' })
  ours.destroy()
})
