import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import http2, { type ClientHttp2Session } from 'node:http2'
import { Readable, type Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import {
  matchAny,
  BundleSet,
  RevocationList,
  X509Bundle,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import {
  connect,
  isCurrent,
  peerOf,
  TlsError,
  type ConnectionPeer,
  type LapseReason,
  type PeerLapsedEvent,
  type SvidServerOptions,
} from '../index.ts'
import { bundlesOf, dial, HeldSource, Loopback, portOf, record } from '../loopback.test.helper.ts'

const MINUTE_MS = 60_000
// Stands still, and ahead: what a test mints is good from the minute on in which it does.
const NOW = Date.now() + 10 * MINUTE_MS
const EXPIRY = Math.floor((NOW + 10 * MINUTE_MS) / 1000) * 1000
const LIST_END = EXPIRY - MINUTE_MS
const EARLY_CLOSE_MS = 2000

let authority: MintedCa
let other: MintedCa
let svid: X509Svid
let web: MintedCertificate
/** What the authority has revoked: nothing, and then `web`. */
let nothing: RevocationList
let revocation: RevocationList

beforeAll(async () => {
  authority = await mintRootCa('example.org', { notAfter: NOW + 90 * 86_400_000 })
  other = await mintRootCa('example.org')
  svid = (await authority.mint('spiffe://example.org/server')).toX509Svid()
  web = await authority.mint('spiffe://example.org/web', { notAfter: EXPIRY })
  nothing = await listOf([], LIST_END)
  revocation = await listOf([web.toX509Svid().leaf.serialNumber], LIST_END)
})

async function listOf(revoked: readonly string[], nextUpdate: number): Promise<RevocationList> {
  return RevocationList.fromDer(await authority.mintRevocationList({ revoked, nextUpdate }))
}

function bundlesWith(...lists: readonly RevocationList[]): BundleSet {
  return BundleSet.of(X509Bundle.of(authority.trustDomain, [authority.certificate], lists))
}

interface Alarm {
  readonly at: number
  readonly delayMs: number
  readonly callback: () => void
}

/** A clock, and timers that ring when it is put forward. */
class Time {
  now = NOW
  readonly alarms = new Set<Alarm>()
  readonly clock = (): number => this.now

  readonly setTimer = (callback: () => void, delayMs: number): (() => void) => {
    const alarm = { at: this.now + delayMs, delayMs, callback }
    this.alarms.add(alarm)
    return () => void this.alarms.delete(alarm)
  }

  get delays(): number[] {
    return [...this.alarms].map(({ delayMs }) => delayMs)
  }

  moveTo(now: number): void {
    this.now = now
    for (const alarm of [...this.alarms].filter(({ at }) => at <= now)) {
      this.alarms.delete(alarm)
      alarm.callback()
    }
  }
}

interface Scene extends AsyncDisposable {
  readonly source: HeldSource
  readonly time: Time
  readonly loopback: Loopback
  readonly port: number
}

/** What the responses of HTTP/1.1 and HTTP/2 have in common. */
interface Reply extends EventEmitter {
  readonly headersSent: boolean
  write(chunk: string): boolean
  end(chunk: string): unknown
}

type Handler = (request: unknown, response: Reply) => void

async function stage(options: SvidServerOptions = {}, handler?: Handler): Promise<Scene> {
  const source = new HeldSource(svid, bundlesWith(nothing))
  const time = new Time()
  const { clock, setTimer } = time
  // Or Node would end idle connections by itself.
  const http = { keepAliveTimeout: 0 }
  const loopback = await Loopback.serve(source, { clock, setTimer, http, ...options })
  if (handler !== undefined) {
    loopback.server.removeAllListeners('request')
    loopback.server.on('request', handler)
  }
  const end = (): Promise<void> => loopback[Symbol.asyncDispose]()
  return { source, time, loopback, port: portOf(loopback.server), [Symbol.asyncDispose]: end }
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

/** A kept HTTP/1.1 connection, whose first request has been answered. */
async function keep(port: number, material: MintedCertificate = web): Promise<TLSSocket> {
  const socket = dial(port, material)
  await ask(socket)
  return socket
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.write(GET)
  const [answer] = await once(socket, 'data')
  return String(answer)
}

async function open(port: number): Promise<ClientHttp2Session> {
  const createConnection = (): Duplex => dial(port, web, { protocol: 'h2' })
  const session = http2.connect('https://localhost', { createConnection })
  session.on('error', () => undefined)
  await once(session, 'remoteSettings')
  return session
}

/** Resolves with the response of the next request, which the test answers as it likes. */
function held(): { handler: Handler; response: Promise<Reply> } {
  const { promise, resolve } = deferred<Reply>()
  return { handler: (_, response) => resolve(response), response: promise }
}

function deferred<Value>() {
  const settled = new EventEmitter()
  const promise: Promise<Value> = once(settled, 'value').then(([value]) => value)
  return { promise, resolve: (value: Value) => void settled.emit('value', value) }
}

function ignore(): void {}

function removeAuthority({ source }: Scene): void {
  source.put({ bundles: bundlesOf(other) })
}
function expire({ time }: Scene): void {
  time.moveTo(EXPIRY)
}

const strict: SvidServerOptions = { revocation: 'strict' }

const ends: [string, LapseReason, (scene: Scene) => void, SvidServerOptions?][] = [
  ['whose SVID expires', 'expired', expire],
  ['whose authority leaves the bundle', 'untrusted', removeAuthority],
  [
    'whose trust domain is no longer known',
    'untrusted',
    ({ source }) => source.put({ bundles: BundleSet.empty }),
  ],
  [
    'that a revocation list names',
    'revoked',
    ({ source }) => source.put({ bundles: bundlesWith(revocation) }),
  ],
  [
    'for which no revocation list stands any more, where one has to',
    'revocation-unknown',
    ({ source }) => source.put({ bundles: bundlesWith() }),
    strict,
  ],
  [
    'whose revocation list runs out, where one has to stand for it',
    'revocation-unknown',
    ({ time }) => time.moveTo(LIST_END),
    strict,
  ],
  [
    'that the application disconnectes',
    'refused',
    ({ loopback }) =>
      void loopback.identity.disconnectPeers(({ spiffeId }) => spiffeId.path === '/web'),
  ],
]

describe.each(ends)('a peer %s', (_, reason, lapse, options = {}) => {
  test('is reported first, with the reason, and its idle HTTP/1.1 connections end', async () => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage(options)
    const accepted = once(scene.loopback.server, 'secureConnection')
    const sockets = [await keep(scene.port), await keep(scene.port)]
    const [socket] = await accepted
    const closed = sockets.map((kept) => once(kept, 'close'))
    lapse(scene)
    await Promise.all(closed)
    const { server } = scene.loopback
    const told = events.stop()
    expect(told).toEqual([{ server, peer: peerOf(socket), reason }])
    expect(Object.isFrozen(told[0])).toBe(true)
  })

  test('gets GOAWAY on an idle HTTP/2 session', async () => {
    await using scene = await stage({ ...options, http2: true })
    const session = await open(scene.port)
    const goaway = once(session, 'goaway')
    const closed = once(session, 'close')
    lapse(scene)
    expect((await goaway)[0]).toBe(http2.constants.NGHTTP2_NO_ERROR)
    await closed
  })

  test('gets the answer to its last request, and then the end, over HTTP/1.1', async () => {
    const { handler, response } = held()
    await using scene = await stage(options, handler)
    const socket = dial(scene.port, web)
    socket.write(GET)
    const answer = await response
    lapse(scene)
    await Promise.resolve()
    answer.end('the last one')
    const received = await text(socket)
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(received).toMatch(/\r\nconnection: close\r\n/i)
    expect(received).toContain('the last one')
  })

  test('gets the answer to its last request, and then the end, over HTTP/2', async () => {
    const { handler, response } = held()
    await using scene = await stage({ ...options, http2: true }, handler)
    const session = await open(scene.port)
    const stream = session.request({ ':path': '/' })
    const answer = await response
    const goaway = once(session, 'goaway')
    const closed = once(session, 'close')
    lapse(scene)
    await goaway
    answer.end('the last one')
    const [headers] = await once(stream, 'response')
    expect(headers).toMatchObject({ ':status': 200 })
    expect(await text(stream as Readable)).toBe('the last one')
    await closed
  })
})

describe.each<[string, SvidServerOptions]>([
  ['HTTP/1.1', {}],
  ['HTTP/2', { http2: true }],
  ['HTTP/2 where HTTP/1.1 is allowed', { http2: true, allowHTTP1: true }],
])('a response that is being streamed over %s', (_, options) => {
  const stream = async (scene: Scene): Promise<Readable> => {
    if (options.http2 !== true) {
      const socket = dial(scene.port, web)
      socket.write(GET)
      return socket
    }
    const session = await open(scene.port)
    return session.request({ ':path': '/' })
  }

  test('goes on until the grace is over, and is closed then', async () => {
    const { handler, response } = held()
    await using scene = await stage({ ...options, graceMs: 5000 }, handler)
    const events = record('spiffe:peer:lapsed')
    const received = await stream(scene)
    received.on('error', () => undefined)
    const answer = await response
    answer.write('first')
    await once(received, 'data')
    removeAuthority(scene)
    await Promise.resolve()
    expect(events.stop()).toHaveLength(1)

    answer.write('second')
    expect(String((await once(received, 'data'))[0])).toContain('second')
    scene.time.moveTo(NOW + 4999)
    answer.write('third')
    expect(String((await once(received, 'data'))[0])).toContain('third')
    const cut = [once(answer, 'close'), once(received, 'close')]
    scene.time.moveTo(NOW + 5000)
    await Promise.all(cut)
  })

  test('ends its connection when it ends before that', async () => {
    const { handler, response } = held()
    await using scene = await stage(options, handler)
    const received = await stream(scene)
    const answer = await response
    answer.write('first')
    await once(received, 'data')
    removeAuthority(scene)
    await Promise.resolve()
    answer.end('last')
    expect(await text(received)).toContain('last')
    expect(scene.time.now).toBe(NOW)
  })
})

async function upgrade(scene: Scene) {
  const upgraded = deferred<Duplex>()
  scene.loopback.server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
    socket.on('error', () => undefined)
    upgraded.resolve(socket)
  })
  const client = dial(scene.port, web)
  client.on('error', () => undefined)
  client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
  await once(client, 'data')
  return { client, server: await upgraded.promise }
}

describe('shortly before the SVID of a peer expires', () => {
  test('its idle HTTP/1.1 connection ends, and it is not reported', async () => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage()
    const socket = await keep(scene.port)
    scene.time.moveTo(EXPIRY - EARLY_CLOSE_MS - 1)
    expect(await ask(socket)).not.toMatch(/\r\nconnection: close\r\n/i)
    const closed = once(socket, 'close')
    scene.time.moveTo(EXPIRY - 1000)
    await closed
    expect(events.stop()).toEqual([])
  })

  test('a response says that it is the last over HTTP/1.1', async () => {
    const { handler, response } = held()
    await using scene = await stage({}, handler)
    const socket = dial(scene.port, web)
    socket.write(GET)
    const answer = await response
    scene.time.moveTo(EXPIRY - 1000)
    answer.end('the last one')
    expect(await text(socket)).toMatch(/\r\nconnection: close\r\n/i)
  })

  test('an HTTP/2 session gets GOAWAY, and its streams go on', async () => {
    const { handler, response } = held()
    await using scene = await stage({ http2: true }, handler)
    const session = await open(scene.port)
    const stream = session.request({ ':path': '/' })
    const answer = await response
    const goaway = once(session, 'goaway')
    scene.time.moveTo(EXPIRY - 1000)
    await goaway
    answer.end('the last one')
    expect(await text(stream as Readable)).toBe('the last one')
  })

  test('nothing is closed yet, and all that is left is reported and closed when it has expired', async () => {
    const graceMs = 500
    const events = record('spiffe:peer:lapsed')
    const { handler, response } = held()
    await using scene = await stage({ graceMs }, handler)
    const socket = dial(scene.port, web)
    socket.on('error', () => undefined)
    socket.write(GET)
    const answer = await response
    scene.time.moveTo(EXPIRY - 1000)
    scene.time.moveTo(EXPIRY - 1)
    answer.write('still here')
    await once(socket, 'data')
    expect(events.stop()).toEqual([])
    const lapsed = record('spiffe:peer:lapsed')
    scene.time.moveTo(EXPIRY + 1000)
    expect(lapsed.stop()).toMatchObject([{ reason: 'expired' }])
    const closed = once(socket, 'close')
    scene.time.moveTo(EXPIRY + 1000 + graceMs)
    await closed
  })

  test.each(['immediate', 'ignore'] as const)(
    'nothing happens where onPeerExpiry is %s',
    async (onPeerExpiry) => {
      await using scene = await stage({ onPeerExpiry })
      const socket = await keep(scene.port)
      scene.time.moveTo(EXPIRY - 1)
      expect(await ask(socket)).not.toMatch(/\r\nconnection: close\r\n/i)
      socket.destroy()
    },
  )
})

describe('an upgraded socket', () => {
  test('is reported, goes on until the grace is over, and is closed then', async () => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage({ graceMs: 5000 })
    const { client, server } = await upgrade(scene)
    expire(scene)
    expect(events.stop()).toMatchObject([{ reason: 'expired' }])
    server.write('goodbye')
    expect(String((await once(client, 'data'))[0])).toBe('goodbye')
    const closed = once(client, 'close')
    scene.time.moveTo(EXPIRY + 5000)
    await closed
  })

  test('is one only while somebody listens for upgrades', async () => {
    await using scene = await stage()
    const { server } = scene.loopback
    server.on('upgrade', ignore)
    server.off('upgrade', ignore)
    expect(server.listenerCount('upgrade')).toBe(0)
    server.on('upgrade', ignore).removeAllListeners('upgrade')
    expect(server.listenerCount('upgrade')).toBe(0)
    const { client } = await upgrade(scene)
    client.destroy()
  })
})

describe('onPeerExpiry', () => {
  test('immediate cuts what runs, after the event', async () => {
    const events = record('spiffe:peer:lapsed')
    const { handler, response } = held()
    await using scene = await stage({ onPeerExpiry: 'immediate' }, handler)
    const socket = dial(scene.port, web)
    socket.on('error', () => undefined)
    socket.write(GET)
    const answer = await response
    const closed = [once(answer, 'close'), once(socket, 'close')]
    removeAuthority(scene)
    await Promise.all(closed)
    expect(answer.headersSent).toBe(false)
    expect(events.stop()).toHaveLength(1)
  })

  test('ignore tells nobody and ends nothing', async () => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage({ onPeerExpiry: 'ignore' })
    const socket = await keep(scene.port)
    expect(scene.time.delays).toEqual([])
    removeAuthority(scene)
    expire(scene)
    expect(await ask(socket)).toMatch(/^HTTP\/1\.1 200 /)
    expect(scene.loopback.identity.connections).toMatchObject({ open: 1, lapsed: 1 })
    expect(events.stop()).toEqual([])
    socket.destroy()
  })
})

describe('a rotation of authorities', () => {
  test('disturbs nobody who is still trusted', async () => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage()
    const socket = await keep(scene.port)
    const { subject, keyPair } = authority
    const renewed = await mintRootCa('example.org', { subject, keyPair })
    scene.source.put({ bundles: bundlesOf(renewed) })
    await Promise.resolve()
    expect(await ask(socket)).not.toMatch(/connection: close/i)
    expect(events.stop()).toEqual([])
    socket.destroy()
  })

  test('reaches the last of many connections, in slices', async () => {
    await using scene = await stage()
    const kept = await Promise.all(Array.from({ length: 120 }, () => keep(scene.port)))
    const closed = kept.map((socket) => once(socket, 'close'))
    scene.source.put({ bundles: bundlesOf(authority, await mintRootCa('foreign.test')) })
    await Promise.resolve()
    // In the middle of the sweep: those who were judged already are judged again.
    removeAuthority(scene)
    await Promise.all(closed)
  })

  test('keeps the event loop awake between the slices, or an idle server would stop half-way', async () => {
    await using scene = await stage()
    const untouched = await authority.mint('spiffe://example.org/api')
    await Promise.all(Array.from({ length: 60 }, () => keep(scene.port, untouched)))
    const last = await keep(scene.port)
    const before = pendingImmediates()
    scene.source.put({ bundles: bundlesWith(revocation) })
    await Promise.resolve()
    expect(pendingImmediates()).toBe(before + 1)
    await once(last, 'close')
  })

  test('takes no more than fifty in a turn of the event loop, so that requests go on between', async () => {
    await using scene = await stage({ onPeerExpiry: 'immediate' })
    const accepted: TLSSocket[] = []
    scene.loopback.server.on('secureConnection', (socket: TLSSocket) => void accepted.push(socket))
    // Of one certificate: what a turn takes is connections.
    await Promise.all(Array.from({ length: 60 }, () => keep(scene.port)))
    expect(accepted).toHaveLength(60)
    const cutByTurn: number[] = []
    removeAuthority(scene)
    for (let cut = 0; cut < 60 && cutByTurn.length < 60;) {
      await new Promise(setImmediate)
      const before = cut
      cut = accepted.filter(({ destroyed }) => destroyed).length
      cutByTurn.push(cut - before)
    }
    expect(cutByTurn.reduce((sum, count) => sum + count)).toBe(60)
    expect(Math.max(...cutByTurn)).toBeLessThanOrEqual(50)
  })

  test('heeds an authority that expires before the SVID that it vouches for', async () => {
    const { subject, keyPair } = authority
    const notAfter = EXPIRY - MINUTE_MS
    const dates = { notBefore: NOW - MINUTE_MS, notAfter }
    const renewed = await mintRootCa('example.org', { subject, keyPair, ...dates })
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage()
    const socket = await keep(scene.port)
    scene.source.put({ bundles: bundlesOf(renewed) })
    await Promise.resolve()
    // The sweep has begun; when it is over, a timer is set.
    while (scene.time.delays.length === 0) await new Promise(setImmediate)
    const closed = once(socket, 'close')
    scene.time.moveTo(notAfter)
    await closed
    expect(events.stop()).toMatchObject([{ reason: 'untrusted' }])
  })
})

/** Those that keep the event loop from waiting. */
function pendingImmediates(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Immediate').length
}

describe('a change of revocation lists', () => {
  test('disturbs no caller that they do not name, and lets no caller in that they do', async () => {
    const events = record('spiffe:peer:lapsed')
    const rejections = record('spiffe:peer:rejected')
    await using scene = await stage()
    const kept = await authority.mint('spiffe://example.org/api')
    const socket = await keep(scene.port, kept)
    const known = await keep(scene.port)
    scene.source.put({ bundles: bundlesWith(revocation) })
    await once(known, 'close')
    expect(await ask(socket)).not.toMatch(/connection: close/i)
    // Its verdict was remembered.
    const again = dial(scene.port, web)
    again.on('error', ignore)
    await once(again, 'close')
    expect(events.stop()).toMatchObject([{ reason: 'revoked' }])
    expect(rejections.stop()).toMatchObject([{ code: 'revoked' }])
    socket.destroy()
  })

  test('revokes the peers behind an intermediate with it', async () => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage()
    const intermediate = await authority.mintCa()
    const socket = await keep(scene.port, await intermediate.mint('spiffe://example.org/web'))
    const closed = once(socket, 'close')
    const list = await listOf([intermediate.certificate.serialNumber], EXPIRY)
    scene.source.put({ bundles: bundlesWith(list) })
    await closed
    expect(events.stop()).toMatchObject([{ reason: 'revoked' }])
  })

  test('is judged by the path that an earlier change of bundles has led to', async () => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage()
    const middle = await authority.mintCa()
    const { subject, keyPair } = middle
    const cross = await other.mintCa({ subject, keyPair })
    const material = await middle.mint('spiffe://example.org/web', {
      chain: (sent) => [...sent, cross.der],
    })
    const socket = await keep(scene.port, material)
    const bundle = X509Bundle.of(other.trustDomain, [other.certificate])
    scene.source.put({ bundles: BundleSet.of(bundle) })
    await Promise.resolve()
    expect(await ask(socket)).not.toMatch(/connection: close/i)
    const closed = once(socket, 'close')
    const revoked = [cross.certificate.serialNumber]
    const list = RevocationList.fromDer(await other.mintRevocationList({ revoked }))
    scene.source.put({ bundles: BundleSet.of(bundle.withRevocationLists([list])) })
    await closed
    expect(events.stop()).toMatchObject([{ reason: 'revoked' }])
  })

  test('is none to those who are named by a list that another has signed, or that has run out', async () => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage()
    const socket = await keep(scene.port)
    const revoked = [web.toX509Svid().leaf.serialNumber]
    const { subject } = authority
    const impostor = await mintRootCa('example.org', { subject })
    const forged = RevocationList.fromDer(await impostor.mintRevocationList({ revoked }))
    const thisUpdate = NOW - 2 * MINUTE_MS
    const ended = await authority.mintRevocationList({
      revoked,
      thisUpdate,
      nextUpdate: NOW - MINUTE_MS,
    })
    scene.source.put({ bundles: bundlesWith(forged, RevocationList.fromDer(ended)) })
    await Promise.resolve()
    expect(await ask(socket)).not.toMatch(/connection: close/i)
    expect(events.stop()).toEqual([])
    socket.destroy()
  })

  test('keeps peers for longer where a list has to stand for them, when it comes in time', async () => {
    await using scene = await stage(strict)
    const socket = await keep(scene.port)
    scene.source.put({ bundles: bundlesWith(await listOf([], EXPIRY)) })
    await Promise.resolve()
    scene.time.moveTo(LIST_END + MINUTE_MS / 2)
    expect(await ask(socket)).not.toMatch(/connection: close/i)
    const closed = once(socket, 'close')
    scene.time.moveTo(EXPIRY)
    await closed
  })

  test('is none where revocation is off, for one trust domain or for all', async () => {
    const off: SvidServerOptions[] = [
      { revocation: 'off' },
      { revocation: { default: 'strict', trustDomains: { 'example.org': 'off' } } },
    ]
    for (const options of off) {
      await using scene = await stage(options)
      const socket = await keep(scene.port)
      scene.source.put({ bundles: bundlesWith(revocation) })
      await Promise.resolve()
      expect(await ask(socket)).not.toMatch(/connection: close/i)
      socket.destroy()
    }
  })

  test('reaches the connections that a client has made', async () => {
    await using scene = await stage()
    const client = new HeldSource(web.toX509Svid(), bundlesOf(authority))
    const options = { source: client, host: '127.0.0.1', port: scene.port, server: matchAny() }
    const socket = await connect(options)
    const peer = peerOf(socket)!
    const revoked = [svid.leaf.serialNumber]
    client.put({ bundles: bundlesWith(await listOf(revoked, EXPIRY)) })
    expect(isCurrent(peer, Date.now())).toBe(false)
    await expect(connect(options)).rejects.toMatchObject({ rejection: 'revoked' })
    // Another policy has verdicts of its own.
    const lenient = await connect({ ...options, revocation: 'off' })
    client.put({ bundles: bundlesOf(authority) })
    const strictly = connect({ ...options, revocation: 'strict' })
    await expect(strictly).rejects.toMatchObject({ rejection: 'revocation-unknown' })
    for (const each of [socket, lenient]) each.destroy()
  })
})

test('counting connections verifies none of them: a change of the bundles shows once they were judged', async () => {
  await using scene = await stage({ onPeerExpiry: 'ignore' })
  const socket = await keep(scene.port)
  const { identity } = scene.loopback
  removeAuthority(scene)
  expect(identity.connections).toMatchObject({ verified: 1, lapsed: 0 })
  await Promise.resolve()
  expect(identity.connections).toMatchObject({ verified: 0, lapsed: 1 })
  socket.destroy()
})

describe('disconnectPeers', () => {
  test('asks about each peer once, and disconnects those that the answer names', async () => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage()
    const kept = await keep(scene.port, await authority.mint('spiffe://example.org/api'))
    const sockets = [await keep(scene.port), await keep(scene.port)]
    const closed = sockets.map((socket) => once(socket, 'close'))
    const asked: ConnectionPeer[] = []
    const count = scene.loopback.identity.disconnectPeers((peer) => {
      asked.push(peer)
      return peer.spiffeId.path === '/web'
    })
    expect(count).toBe(1)
    expect(asked.map(({ spiffeId }) => spiffeId.path)).toEqual(['/api', '/web'])
    // At once, before any connection has ended.
    expect(asked.map((peer) => isCurrent(peer, NOW))).toEqual([true, false])
    expect(scene.loopback.identity.connections).toMatchObject({ verified: 1, lapsed: 2 })
    await Promise.all(closed)
    expect(await ask(kept)).toMatch(/^HTTP\/1\.1 200 /)
    expect(events.stop()).toMatchObject([{ peer: asked[1], reason: 'refused' }])
    kept.destroy()
  })

  test('has a later handshake of the same certificate verified anew', async () => {
    await using scene = await stage()
    const socket = await keep(scene.port)
    const closed = once(socket, 'close')
    scene.loopback.identity.disconnectPeers(() => true)
    await closed
    const { verdictsFromCache } = scene.loopback.identity.counters
    const again = await keep(scene.port)
    expect(scene.loopback.identity.counters).toMatchObject({ accepted: 2, verdictsFromCache })
    expect(scene.loopback.identity.connections).toMatchObject({ verified: 1 })
    again.destroy()
  })

  test('asks neither about anonymous connections nor about peers that have lapsed already', async () => {
    const options = { clientCertificate: 'optional', onPeerExpiry: 'ignore' } as const
    await using scene = await stage(options)
    const anonymous = dial(scene.port, null)
    await ask(anonymous)
    const socket = await keep(scene.port)
    removeAuthority(scene)
    await Promise.resolve()
    let asked = 0
    const count = scene.loopback.identity.disconnectPeers(() => {
      asked += 1
      return true
    })
    expect([count, asked]).toEqual([0, 0])
    for (const each of [anonymous, socket]) each.destroy()
  })

  test('disconnects nobody when the predicate throws, or says neither true nor false', async () => {
    await using scene = await stage()
    const sockets = [
      await keep(scene.port),
      await keep(scene.port, await authority.mint('spiffe://example.org/api')),
    ]
    const { identity } = scene.loopback
    const failure = new Error('no policy')
    const throwing = ({ spiffeId }: ConnectionPeer): boolean => {
      if (spiffeId.path === '/api') throw failure
      return true
    }
    expect(() => identity.disconnectPeers(throwing)).toThrow(failure)
    // Callers without types can pass anything.
    const disconnect = (predicate: never): number => identity.disconnectPeers(predicate)
    expect(() => Reflect.apply(disconnect, undefined, [async () => true])).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
    expect(identity.connections).toMatchObject({ verified: 2, lapsed: 0 })
    for (const socket of sockets) socket.destroy()
  })

  test('may be asked for by who hears that a peer has lapsed, one after another', async () => {
    await using scene = await stage()
    const { identity } = scene.loopback
    const paths = ['/a', '/b', '/c']
    const sockets = []
    for (const path of paths)
      sockets.push(await keep(scene.port, await authority.mint(`spiffe://example.org${path}`)))
    const closed = sockets.map((socket) => once(socket, 'close'))
    const heard: string[] = []
    const disconnectOne = (path: string | undefined): void =>
      void identity.disconnectPeers(({ spiffeId }) => spiffeId.path === path)
    const onLapse = (event: unknown): void => {
      const { path } = (event as PeerLapsedEvent).peer.spiffeId
      heard.push(`${path} begins`)
      disconnectOne(paths[paths.indexOf(path) + 1])
      heard.push(`${path} ends`)
    }
    subscribe('spiffe:peer:lapsed', onLapse)
    disconnectOne('/a')
    await Promise.all(closed)
    unsubscribe('spiffe:peer:lapsed', onLapse)
    expect(heard).toEqual(paths.flatMap((path) => [`${path} begins`, `${path} ends`]))
  })

  test('is followed by nothing more once who hears of it has closed the server', async () => {
    await using scene = await stage({ onPeerExpiry: 'immediate' })
    const { identity } = scene.loopback
    const first = await keep(scene.port, await authority.mint('spiffe://example.org/a'))
    const second = await keep(scene.port)
    const closed = once(first, 'close')
    const close = (): void => identity.close()
    subscribe('spiffe:peer:lapsed', close)
    identity.disconnectPeers(() => true)
    await closed
    unsubscribe('spiffe:peer:lapsed', close)
    expect(await ask(second)).toMatch(/^HTTP\/1\.1 200 /)
    expect(scene.time.delays).toEqual([])
    second.destroy()
  })

  test('cuts at once where that is set, and after the grace what does not end', async () => {
    await using scene = await stage({ onPeerExpiry: 'immediate' })
    const socket = await keep(scene.port)
    const closed = once(socket, 'close')
    scene.loopback.identity.disconnectPeers(() => true)
    await closed
    await using patient = await stage({ graceMs: 5000 })
    const { client, server } = await upgrade(patient)
    patient.loopback.identity.disconnectPeers(() => true)
    server.write('goodbye')
    expect(String((await once(client, 'data'))[0])).toBe('goodbye')
    const cut = once(client, 'close')
    patient.time.moveTo(NOW + 5000)
    await cut
  })
})

function outOfOrder(): never {
  throw new Error('out of order')
}

/** From now on the source throws when it is asked for `what`. */
function breakDown(source: HeldSource, what: 'bundles' | 'svid'): object {
  return Object.defineProperty(source, what, { configurable: true, get: outOfOrder })
}

describe('a source that fails', () => {
  test('ends neither the process nor a connection: what it said last holds on', async () => {
    const events = record('spiffe:peer:lapsed')
    const rejections = record('spiffe:peer:rejected')
    await using scene = await stage()
    const socket = await keep(scene.port)
    breakDown(scene.source, 'bundles')
    scene.source.put({})
    await Promise.resolve()
    scene.time.moveTo(NOW + MINUTE_MS)
    expect(await ask(socket)).toMatch(/^HTTP\/1\.1 200 /)
    expect(scene.loopback.identity.connections).toMatchObject({ verified: 1 })
    // Who is not known yet is refused.
    const stranger = dial(scene.port, await authority.mint('spiffe://example.org/api'))
    stranger.on('error', ignore)
    await once(stranger, 'close')
    expect(rejections.stop()).toMatchObject([{ code: 'internal-error' }])
    // And the time goes on.
    const closed = once(socket, 'close')
    expire(scene)
    await closed
    expect(events.stop()).toMatchObject([{ reason: 'expired' }])
  })

  test('is heard again when it is back', async () => {
    await using scene = await stage()
    const socket = await keep(scene.port)
    breakDown(scene.source, 'bundles')
    scene.source.put({})
    await Promise.resolve()
    const closed = once(socket, 'close')
    const value = bundlesOf(other)
    Object.defineProperty(scene.source, 'bundles', { value, configurable: true, writable: true })
    scene.source.put({})
    await closed
  })

  test('keeps the SVID on the wire when it cannot say the next one', async () => {
    const refusals = record('spiffe:server:svid-refused')
    await using scene = await stage()
    breakDown(scene.source, 'svid')
    const socket = await keep(scene.port)
    const closed = once(socket, 'close')
    removeAuthority(scene)
    await closed
    expect(scene.loopback.identity.svid).toBe(svid)
    expect(refusals.stop()).toMatchObject([{ code: 'invalid-material', generation: 1 }])
  })
})

describe('maxConnectionAgeMs', () => {
  test.each([
    [0, 54_000],
    [0.5, 60_000],
    [1, 66_000],
  ])('with a random number of %d ends connections at %d ms', async (number, age) => {
    const events = record('spiffe:peer:lapsed')
    await using scene = await stage({ maxConnectionAgeMs: MINUTE_MS, random: () => number })
    const socket = await keep(scene.port)
    scene.time.moveTo(NOW + age - 1)
    expect(await ask(socket)).toMatch(/^HTTP\/1\.1 200 /)
    const closed = once(socket, 'close')
    scene.time.moveTo(NOW + age + 1000)
    await closed
    expect(events.stop()).toEqual([])
  })

  test('holds for anonymous connections and sessions too, and answers what is under way', async () => {
    const { handler, response } = held()
    const options = { http2: true, clientCertificate: 'optional', onPeerExpiry: 'ignore' } as const
    await using scene = await stage({ ...options, maxConnectionAgeMs: MINUTE_MS }, handler)
    const socket = dial(scene.port, null, { protocol: 'h2' })
    const session = http2.connect('https://localhost', { createConnection: () => socket })
    const stream = session.request({ ':path': '/' })
    const answer = await response
    const goaway = once(session, 'goaway')
    scene.time.moveTo(NOW + 2 * MINUTE_MS)
    await goaway
    answer.end('still here')
    expect(await text(stream as Readable)).toBe('still here')
  })

  test('does not hide that a peer lapses while its connection is on its way out', async () => {
    const events = record('spiffe:peer:lapsed')
    const { handler, response } = held()
    const graceMs = 20 * MINUTE_MS
    const options = { maxConnectionAgeMs: MINUTE_MS, onPeerExpiry: 'immediate', graceMs } as const
    await using scene = await stage(options, handler)
    const socket = dial(scene.port, web)
    socket.on('error', () => undefined)
    socket.write(GET)
    await response
    scene.time.moveTo(NOW + 2 * MINUTE_MS)
    const closed = once(socket, 'close')
    expire(scene)
    await closed
    expect(events.stop()).toMatchObject([{ reason: 'expired' }])
  })
})

describe('the timer', () => {
  test('looks at the clock once a minute, for it may have been set, and then goes on waiting', async () => {
    const farAway = await authority.mint('spiffe://example.org/web', {
      notAfter: NOW + 60 * 86_400_000,
    })
    await using scene = await stage()
    const socket = await keep(scene.port, farAway)
    expect(scene.time.delays).toEqual([MINUTE_MS])
    scene.time.moveTo(NOW + MINUTE_MS)
    expect(scene.time.delays).toEqual([MINUTE_MS])
    expect(await ask(socket)).toMatch(/^HTTP\/1\.1 200 /)
    socket.destroy()
  })

  test('rings for the earliest expiry, and not twice in a second', async () => {
    const notAfter = Math.floor(NOW / 1000) * 1000 + 30_000
    const soon = await authority.mint('spiffe://example.org/web', { notAfter })
    await using scene = await stage()
    const sockets = [await keep(scene.port), await keep(scene.port, soon)]
    expect(scene.time.delays).toEqual([notAfter - EARLY_CLOSE_MS - NOW])
    scene.time.now = notAfter - 1
    sockets.push(await keep(scene.port, await authority.mint('spiffe://example.org/api')))
    removeAuthority(scene)
    scene.source.put({ bundles: bundlesOf(authority) })
    await Promise.resolve()
    expect(scene.time.delays).toEqual([1000])
    for (const socket of sockets) socket.destroy()
  })

  test('is gone with the server', async () => {
    const scene = await stage({ maxConnectionAgeMs: MINUTE_MS })
    const { server } = scene.loopback
    const socket = await keep(scene.port)
    expect(scene.time.alarms.size).toBe(1)
    const closed = once(server, 'close')
    server.close()
    socket.destroy()
    await closed
    expect(scene.time.alarms.size).toBe(0)
  })

  test('of a grace is gone with its connection', async () => {
    await using scene = await stage()
    const accepted = once(scene.loopback.server, 'secureConnection')
    await keep(scene.port)
    const [socket] = await accepted
    const closed = once(socket, 'close')
    removeAuthority(scene)
    await closed
    expect(scene.time.alarms.size).toBe(0)
  })
})

test.each<[string, object]>([
  ['onPeerExpiry', { onPeerExpiry: 'never' }],
  ['revocation', { revocation: 'hard' }],
  ['revocation', { revocation: { trustDomains: { '': 'soft' } } }],
  ['graceMs', { graceMs: 0 }],
  ['graceMs', { graceMs: 2 ** 31 }],
  ['maxConnectionAgeMs', { maxConnectionAgeMs: 0 }],
  ['maxConnectionAgeMs', { maxConnectionAgeMs: Number.NaN }],
])('a server with a bad %s is not made', async (_, options) => {
  const refusal = await stage(options).then(
    () => null,
    (error: unknown) => error,
  )
  expect(refusal).toBeInstanceOf(TlsError)
  expect(refusal).toMatchObject({ code: 'invalid-option' })
})
