import { once } from 'node:events'
import net from 'node:net'
import type { Server, TLSSocket } from 'node:tls'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { matchAny, type X509Svid } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import {
  connect,
  createSvidTlsServer,
  identityOf,
  peerOf,
  type SvidTlsServerOptions,
} from '../index.ts'
import { bundlesOf, codeOf, dial, HeldSource, portOf, record } from '../loopback.test.helper.ts'

const SERVER_ID = 'spiffe://example.org/server'
const WEB_ID = 'spiffe://example.org/web'

let authority: MintedCa
let foreign: MintedCa
let svid: X509Svid
let web: MintedCertificate

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  foreign = await mintRootCa('foreign.test')
  svid = (await authority.mint(SERVER_ID)).toX509Svid()
  web = await authority.mint(WEB_ID)
})

/** A raw server on the loopback interface, that counts whom it was given. */
class RawServer implements AsyncDisposable {
  readonly source: HeldSource
  readonly server: Server
  readonly given: TLSSocket[] = []

  private constructor(
    options: SvidTlsServerOptions,
    listener: (socket: TLSSocket) => void,
    source: HeldSource,
  ) {
    this.source = source
    this.server = createSvidTlsServer(this.source, options, (socket) => {
      this.given.push(socket)
      socket.on('error', () => undefined)
      listener(socket)
    })
  }

  static async serve(
    options: SvidTlsServerOptions = {},
    listener: (socket: TLSSocket) => void = greet,
    source: HeldSource = new HeldSource(svid, bundlesOf(authority)),
  ): Promise<RawServer> {
    const raw = new RawServer(options, listener, source)
    raw.server.listen(0, '127.0.0.1')
    await once(raw.server, 'listening')
    return raw
  }

  get port(): number {
    return portOf(this.server)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.given) socket.destroy()
    const closed = once(this.server, 'close')
    this.server.close()
    await closed
  }
}

function greet(socket: TLSSocket): void {
  socket.resume().end(`hello ${String(peerOf(socket)?.spiffeId ?? null)}`)
}

function echo(socket: TLSSocket): void {
  socket.pipe(socket)
}

/** All that the server says to whoever dials it. */
function hear(
  { port }: RawServer,
  material: MintedCertificate | null,
  options: tls.ConnectionOptions = {},
): Promise<string> {
  return text(dial(port, material, { ALPNProtocols: [], ...options })).catch(() => '')
}

describe('a server without HTTP', () => {
  test('gives its listener a peer that has proven its SPIFFE ID', async () => {
    await using raw = await RawServer.serve()
    expect(await hear(raw, web)).toBe(`hello ${WEB_ID}`)
    expect(identityOf(raw.server)).toMatchObject({ svid, counters: { accepted: 1, rejected: 0 } })
  })

  test.each<[string, () => Promise<MintedCertificate | null>]>([
    ['without a certificate', async () => null],
    ['of a trust domain without a bundle', () => foreign.mint('spiffe://foreign.test/web')],
    ['that another authority vouches for', () => foreign.mint(WEB_ID)],
    ['that is a CA', () => authority.mint(WEB_ID, { ca: true })],
  ])('cuts a peer %s before its listener sees it', async (_, mint) => {
    await using raw = await RawServer.serve()
    expect(await hear(raw, await mint())).toBe('')
    expect(raw.given).toEqual([])
    expect(identityOf(raw.server)?.counters).toMatchObject({ accepted: 0, rejected: 1 })
  })

  test('lets a peer without a certificate in, as nobody, where certificates are optional', async () => {
    await using raw = await RawServer.serve({ clientCertificate: 'optional' })
    expect(await hear(raw, null)).toBe('hello null')
  })

  test('presents a rotated SVID in the next handshake, and keeps the connections that are open', async () => {
    const next = (await authority.mint(SERVER_ID)).toX509Svid()
    await using raw = await RawServer.serve({}, echo)
    const serialOf = async (): Promise<[TLSSocket, string | undefined]> => {
      const socket = dial(raw.port, web)
      await once(socket, 'secureConnect')
      return [socket, socket.getPeerX509Certificate()?.serialNumber.toLowerCase()]
    }
    const [open, before] = await serialOf()
    raw.source.put({ svid: next })
    const [other, after] = await serialOf()
    expect([before, after]).toEqual([svid.leaf.serialNumber, next.leaf.serialNumber])
    open.write('still here')
    expect(String((await once(open, 'data'))[0])).toBe('still here')
    open.destroy()
    other.destroy()
  })

  test('presents nothing any more once the source has no SVID', async () => {
    await using raw = await RawServer.serve()
    raw.source.put({ svid: null, state: 'denied' })
    expect(await hear(raw, web)).toBe('')
    expect(identityOf(raw.server)?.counters).toMatchObject({ handshakesFailed: 1 })
  })

  test('takes TLS 1.2 only where an option allows it', async () => {
    await using strict = await RawServer.serve()
    expect(await hear(strict, web, { maxVersion: 'TLSv1.2' })).toBe('')
    await using lenient = await RawServer.serve({ minVersion: 'TLSv1.2' })
    expect(await hear(lenient, web, { maxVersion: 'TLSv1.2' })).toBe(`hello ${WEB_ID}`)
  })

  test('answers the connector of this package', async () => {
    await using raw = await RawServer.serve({ alpnProtocols: ['relay/2', 'relay/1'] })
    const socket = await connect({
      source: new HeldSource(web.toX509Svid(), bundlesOf(authority)),
      host: '127.0.0.1',
      port: raw.port,
      server: matchAny(),
      alpnProtocols: ['relay/1', 'relay/2'],
    })
    expect(socket.alpnProtocol).toBe('relay/2')
    expect(String(peerOf(socket)?.spiffeId)).toBe(SERVER_ID)
    expect(await text(socket)).toBe(`hello ${WEB_ID}`)
  })
})

async function talk(socket: TLSSocket, word: string): Promise<string> {
  socket.write(word)
  const [answer] = await once(socket, 'data')
  return String(answer)
}

describe('a connection whose peer lapses', () => {
  const graces: (() => void)[] = []
  const setTimer = (callback: () => void, delayMs: number): (() => void) => {
    if (delayMs === GRACE_MS) graces.push(callback)
    return () => undefined
  }
  const GRACE_MS = 4321

  test('is reported, goes on until the grace is over, and is closed then', async () => {
    await using raw = await RawServer.serve({ setTimer, graceMs: GRACE_MS }, echo)
    const socket = dial(raw.port, web)
    socket.on('error', () => undefined)
    await talk(socket, 'before')
    const events = record('spiffe:peer:lapsed')
    raw.source.put({ bundles: bundlesOf(await mintRootCa('example.org')) })
    expect(await talk(socket, 'meanwhile')).toBe('meanwhile')
    expect(events.stop()).toMatchObject([{ server: raw.server, reason: 'untrusted' }])
    const closed = once(socket, 'close')
    expect(graces).toHaveLength(1)
    graces[0]?.()
    await closed
  })

  test('is handed to onClosing once, for its protocol to end it', async () => {
    const closing: TLSSocket[] = []
    const onClosing = (socket: TLSSocket): void => {
      closing.push(socket)
      socket.end('farewell')
    }
    await using raw = await RawServer.serve({ setTimer, onClosing }, echo)
    const socket = dial(raw.port, web)
    await talk(socket, 'before')
    raw.source.put({ bundles: bundlesOf(await mintRootCa('example.org')) })
    expect(await text(socket)).toBe('farewell')
    expect(closing).toEqual(raw.given)
  })

  test('is closed at once with onPeerExpiry: immediate', async () => {
    await using raw = await RawServer.serve({ onPeerExpiry: 'immediate' }, echo)
    const socket = dial(raw.port, web)
    socket.on('error', () => undefined)
    await talk(socket, 'before')
    const closed = once(socket, 'close')
    raw.source.put({ bundles: bundlesOf(await mintRootCa('example.org')) })
    await closed
  })
})

test.each<[string, object, string]>([
  ['http2', { http2: true }, 'unknown-option'],
  ['http', { http: {} }, 'unknown-option'],
  ['allowHTTP1', { allowHTTP1: false }, 'unknown-option'],
  ['ca', { ca: [] }, 'forbidden-option'],
  ['alpnProtocols', { alpnProtocols: [''] }, 'invalid-option'],
  ['alpnProtocols', { alpnProtocols: ['x'.repeat(256)] }, 'invalid-option'],
  ['alpnProtocols', { alpnProtocols: 'h2' }, 'invalid-option'],
  ['onClosing', { onClosing: 'end' }, 'invalid-option'],
  ['minVersion', { minVersion: 'TLSv1.1' }, 'invalid-option'],
])('a server without HTTP is not made with a bad %s', (_, options, code) => {
  const source = new HeldSource(svid, bundlesOf(authority))
  expect(codeOf(() => createSvidTlsServer(source, options, greet))).toBe(code)
})

test('a server without HTTP hands its connections to onClosing when it closes', async () => {
  await using raw = await RawServer.serve({ onClosing: (socket) => socket.end('farewell') }, echo)
  const socket = dial(raw.port, web)
  await talk(socket, 'before')
  const closed = once(raw.server, 'close')
  raw.server.close()
  expect(await text(socket)).toBe('farewell')
  await closed
})

test.each([
  ['says nothing', ''],
  ['begins its handshake and stops', '16030102000100'],
])('the connection of a peer that %s is closed when its time is over', async (_, bytes) => {
  await using raw = await RawServer.serve({ handshakeTimeoutMs: 100 })
  const socket = net.connect(portOf(raw.server), '127.0.0.1')
  socket.on('error', () => undefined).resume()
  socket.write(Buffer.from(bytes, 'hex'))
  await once(socket, 'close')
  expect(identityOf(raw.server)?.counters.handshakesFailed).toBe(1)
})

async function listenAgain({ server }: RawServer): Promise<void> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}

describe('a server that listens again', () => {
  test('after it has closed follows its source again', async () => {
    await using raw = await RawServer.serve()
    raw.server.close()
    await once(raw.server, 'close')
    raw.source.put({ svid: (await authority.mint(SERVER_ID)).toX509Svid() })
    await listenAgain(raw)
    expect(identityOf(raw.server)?.svid).toBe(raw.source.svid)
    raw.source.put({ svid: null })
    await Promise.resolve()
    expect(identityOf(raw.server)?.svid).toBeNull()
  })

  test('before it has heard that it is closed goes on following its source', async () => {
    await using raw = await RawServer.serve()
    raw.server.close()
    const closed = once(raw.server, 'close')
    await listenAgain(raw)
    await closed
    raw.source.put({ svid: null })
    await Promise.resolve()
    expect(identityOf(raw.server)?.svid).toBeNull()
  })
})

test('a server without HTTP is not made without an SVID', () => {
  const source = new HeldSource(null, bundlesOf(authority))
  expect(codeOf(() => createSvidTlsServer(source, {}, greet))).toBe('no-svid')
})
