import { once } from 'node:events'
import http2, { type Http2ServerRequest, type ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { BundleSet, X509Bundle } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { identityOf, isCurrent, peerOf } from '../index.ts'
import {
  bundlesOf,
  call,
  callInSession,
  dial,
  HeldSource,
  Loopback,
  record,
  type Protocol,
} from '../loopback.test.helper.ts'
import type { SvidServerOptions } from './server-options.ts'

const SERVER_ID = 'spiffe://example.org/server'
const WEB_ID = 'spiffe://example.org/acme/web'
const NOW = Date.now()
/** Whatever is minted is dated by the clock that the servers have: a slow machine changes nothing. */
const FIXED = { clock: (): number => NOW }
const HOUR_MS = 3_600_000

let authority: MintedCa
let foreign: MintedCa
let source: HeldSource
let web: MintedCertificate
let stranger: MintedCertificate

beforeAll(async () => {
  // The same subject on purpose: names of authorities prove nothing.
  authority = await mintRootCa('example.org', { subject: 'CN=The Authority' }, FIXED)
  foreign = await mintRootCa('foreign.test', { subject: 'CN=The Authority' }, FIXED)
  const svid = (await authority.mint(SERVER_ID)).toX509Svid()
  source = new HeldSource(svid, bundlesOf(authority))
  web = await authority.mint(WEB_ID)
  stranger = await foreign.mint('spiffe://foreign.test/web')
})

const kinds: [string, SvidServerOptions, Protocol][] = [
  ['an HTTP/1.1 server', {}, 'http/1.1'],
  ['an HTTP/2 server', { http2: true }, 'h2'],
  [
    'an HTTP/2 server that allows HTTP/1.1, called over HTTP/2',
    { http2: true, allowHTTP1: true },
    'h2',
  ],
  [
    'an HTTP/2 server that allows HTTP/1.1, called over HTTP/1.1',
    { http2: true, allowHTTP1: true },
    'http/1.1',
  ],
]

describe.each(kinds)('%s', (_, options, protocol) => {
  const answerTo = async (
    client: MintedCertificate | null,
    more: SvidServerOptions = {},
    supply: HeldSource = source,
  ) => {
    await using loopback = await Loopback.serve(supply, { ...options, ...more })
    const { body } = await call(loopback.port, client, { protocol })
    return { body, requests: loopback.requests, counters: loopback.identity.counters }
  }

  test('answers a peer whose authority is in the bundle', async () => {
    const { body, counters } = await answerTo(web)
    expect(body).toBe(WEB_ID)
    expect(counters).toMatchObject({ accepted: 1, rejected: 0 })
  })

  test('answers a peer behind two intermediates', async () => {
    const intermediate = await (await authority.mintCa()).mintCa()
    expect(await answerTo(await intermediate.mint(WEB_ID))).toMatchObject({ body: WEB_ID })
  })

  test('cuts a peer whose intermediates are missing', async () => {
    const intermediate = await authority.mintCa({ subject: 'CN=Intermediate' })
    const leafOnly = await intermediate.mint(WEB_ID, { chain: (sent) => sent.slice(0, 1) })
    expect(await answerTo(leafOnly)).toMatchObject({ body: null, requests: 0 })
  })

  test('cuts a peer of a domain that is not federated, and answers it once it is', async () => {
    expect(await answerTo(stranger)).toMatchObject({ body: null, requests: 0 })
    const federated = new HeldSource(source.svid, bundlesOf(authority, foreign))
    expect(await answerTo(stranger, {}, federated)).toMatchObject({
      body: 'spiffe://foreign.test/web',
    })
  })

  test('cuts a peer that a federated authority vouches for with the name of another domain', async () => {
    const federated = new HeldSource(source.svid, bundlesOf(authority, foreign))
    const impostor = await foreign.mint(WEB_ID)
    expect(await answerTo(impostor, {}, federated)).toMatchObject({ body: null, requests: 0 })
  })

  test.each<[string, () => Promise<MintedCertificate>]>([
    [
      'has expired',
      () => authority.mint(WEB_ID, { notBefore: NOW - HOUR_MS, notAfter: NOW - 1000 }),
    ],
    ['is not valid yet', () => authority.mint(WEB_ID, { notBefore: NOW + HOUR_MS })],
    ['is a CA', () => authority.mint(WEB_ID, { ca: true })],
    ['names two SPIFFE IDs', () => authority.mint(WEB_ID, { uris: [WEB_ID, SERVER_ID] })],
    ['has a spoilt signature', () => authority.mint(WEB_ID, { corruptSignature: true })],
    ['signed itself', () => authority.mint(WEB_ID, { signedBy: 'self' })],
  ])('cuts a peer that %s, before it sees a byte of its request', async (_name, mint) => {
    const client = await mint()
    for (const clientCertificate of ['required', 'optional'] as const) {
      const { body, requests, counters } = await answerTo(client, { clientCertificate })
      expect(body).toBeNull()
      expect(requests).toBe(0)
      expect(counters).toMatchObject({ accepted: 0, rejected: 1 })
    }
  })

  test('closes the connection of a peer without a certificate', async () => {
    const { body, requests, counters } = await answerTo(null)
    expect({ body, requests }).toEqual({ body: null, requests: 0 })
    expect(counters).toMatchObject({ accepted: 0, rejected: 1 })
  })

  test('lets a peer without a certificate in, as nobody, where certificates are optional', async () => {
    const { body, counters } = await answerTo(null, { clientCertificate: 'optional' })
    expect(body).toBe('null')
    expect(counters).toMatchObject({ accepted: 1, rejected: 0 })
  })

  test('refuses TLS 1.2 unless an option allows it', async () => {
    await using strict = await Loopback.serve(source, options)
    expect(await call(strict.port, web, { protocol, maxVersion: 'TLSv1.2' })).toMatchObject({
      body: null,
      serverSerial: undefined,
    })
    expect(strict.identity.counters).toMatchObject({ handshakesFailed: 1 })
    await using lenient = await Loopback.serve(source, { ...options, minVersion: 'TLSv1.2' })
    expect(await call(lenient.port, web, { protocol, maxVersion: 'TLSv1.2' })).toMatchObject({
      body: WEB_ID,
    })
  })

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('resumes no session of %s', async (version) => {
    await using loopback = await Loopback.serve(source, { ...options, minVersion: 'TLSv1.2' })
    const versions = { protocol, minVersion: version, maxVersion: version }
    const { issued, established } = await callInSession(loopback.port, web, versions)
    const sessions = [established, ...issued].filter((session) => session !== undefined)
    expect(sessions).not.toEqual([])
    for (const session of sessions) {
      const second = await callInSession(loopback.port, web, { ...versions, session })
      expect(second).toMatchObject({ body: WEB_ID, isResumed: false })
    }
    expect(loopback.identity.counters).toMatchObject({ rejected: 0 })
  })

  test('closes while idle connections are open', async () => {
    await using loopback = await Loopback.serve(source, options)
    const idle = dial(loopback.port, web, { protocol })
    idle.on('error', () => undefined)
    if (protocol === 'h2') {
      const session = http2.connect('https://localhost', { createConnection: () => idle })
      await once(session, 'remoteSettings')
    } else {
      idle.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await once(idle, 'data')
    }
    const closed = once(loopback.server, 'close')
    loopback.server.close()
    await closed
    expect(loopback.server.listening).toBe(false)
    idle.destroy()
  })
})

describe('the identity of a connection', () => {
  test('is frozen, bound once, and the same on the request, its socket and its session', async () => {
    await using loopback = await Loopback.serve(source, { http2: true })
    const { server } = loopback
    const seen: unknown[] = []
    server.once('session', (session: ServerHttp2Session) =>
      seen.push(peerOf(session), peerOf(session.socket)),
    )
    server.once('request', (request: Http2ServerRequest) => seen.push(peerOf(request.socket)))
    await call(loopback.port, web, { protocol: 'h2' })
    const peer = seen[0]
    expect(peer).toMatchObject({ proof: 'x509-svid' })
    expect(seen).toEqual([peer, peer, peer])
    expect(Object.isFrozen(peer)).toBe(true)
  })

  test('cannot be replaced, and does not change when the certificate is read again', async () => {
    await using loopback = await Loopback.serve(source)
    const accepted = new Promise<TLSSocket>((resolve) => {
      loopback.server.once('secureConnection', resolve)
    })
    const client = dial(loopback.port, web)
    await once(client, 'secureConnect')
    const socket = await accepted
    const peer = peerOf(socket)!
    socket.getPeerX509Certificate()
    socket.getPeerCertificate(true)
    expect(peerOf(socket)).toBe(peer)
    const key = Object.getOwnPropertySymbols(socket).find(
      ({ description }) => description === 'spiffe.peer',
    )
    expect(Reflect.set(socket, key!, { ...peer })).toBe(false)
    expect(Reflect.deleteProperty(socket, key!)).toBe(false)
    expect(Reflect.defineProperty(socket, key!, { value: { ...peer } })).toBe(false)
    expect(socket.authorized).toBe(true)
    client.destroy()
  })

  test('says when the proof ends, by the earliest certificate on the path', async () => {
    const short = Math.floor(NOW / 1000) * 1000 + HOUR_MS / 2
    const intermediate = await authority.mintCa({ notAfter: short })
    await using loopback = await Loopback.serve(source)
    const accepted = new Promise<TLSSocket>((resolve) => {
      loopback.server.once('secureConnection', resolve)
    })
    await call(loopback.port, await intermediate.mint(WEB_ID))
    const peer = peerOf(await accepted)!
    expect(peer.notAfter).toBe(short)
    expect(isCurrent(peer, short - 1)).toBe(true)
    expect(isCurrent(peer, short)).toBe(false)
    expect(isCurrent(peer, Number.NaN)).toBe(false)
  })

  test('is not there on a socket that no SVID server has accepted', () => {
    expect(peerOf({})).toBeUndefined()
  })

  test('of an HTTP/2 session that is gone is unknown', async () => {
    await using loopback = await Loopback.serve(source, { http2: true })
    const { server } = loopback
    const gone = new Promise<object[]>((resolve) => {
      server.once('session', (session: ServerHttp2Session) => {
        // In a list: the proxy of a socket that is gone throws even when asked whether it is a promise.
        const sockets = [session.socket]
        session.once('close', () => resolve(sockets))
      })
    })
    await call(loopback.port, web, { protocol: 'h2' })
    const [socket] = await gone
    expect(() => Reflect.get(socket!, 'then')).toThrow()
    expect(peerOf(socket!)).toBeUndefined()
  })
})

describe('the acceptor', () => {
  test('cuts a connection when anything throws, and keeps serving', async () => {
    const events = record('spiffe:peer:rejected')
    const faulty = new FaultySource(source.svid, bundlesOf(authority))
    await using loopback = await Loopback.serve(faulty)
    faulty.isFaulty = true
    expect(await call(loopback.port, web)).toMatchObject({ body: null })
    faulty.isFaulty = false
    expect(await call(loopback.port, web)).toMatchObject({ body: WEB_ID })
    expect(loopback.requests).toBe(1)
    expect(loopback.identity.counters).toMatchObject({ accepted: 1, rejected: 1 })
    expect(events.stop()).toMatchObject([{ side: 'server', code: 'internal-error' }])
  })

  test('cuts a connection whose HTTP listener throws', async () => {
    const events = record('spiffe:peer:rejected')
    await using loopback = await Loopback.serve(source, { http2: true })
    loopback.server.once('session', () => {
      throw new Error('a listener of the application')
    })
    expect(await call(loopback.port, web, { protocol: 'h2' })).toMatchObject({ body: null })
    expect(await call(loopback.port, web, { protocol: 'h2' })).toMatchObject({ body: WEB_ID })
    expect(events.stop()).toMatchObject([{ side: 'server', code: 'internal-error' }])
  })

  test('tells what it verified and what it cut, with few messages in a flood', async () => {
    const verified = record('spiffe:peer:verified')
    const rejected = record('spiffe:peer:rejected')
    let now = NOW
    await using loopback = await Loopback.serve(source, { clock: () => now })
    await call(loopback.port, web)
    for (let index = 0; index < 12; index++) await call(loopback.port, stranger)
    now += 1000
    await call(loopback.port, stranger)
    const events = rejected.stop()
    expect(verified.stop()).toMatchObject([{ side: 'server', peer: { proof: 'x509-svid' } }])
    expect(events).toHaveLength(13)
    expect(new Set(events.map((event) => Reflect.get(event, 'code')))).toEqual(
      new Set(['unknown-trust-domain']),
    )
    expect(events.filter((event) => Reflect.get(event, 'message') !== null)).toHaveLength(11)
    expect(events.at(-1)).toMatchObject({ remoteAddress: '127.0.0.1' })
    expect(events.every((event) => Object.isFrozen(event))).toBe(true)
  })

  test('verifies a chain once, and again when its anchor has left the bundle', async () => {
    const rotating = new HeldSource(source.svid, bundlesOf(authority))
    await using loopback = await Loopback.serve(rotating)
    await call(loopback.port, web)
    await call(loopback.port, web)
    expect(loopback.identity.counters).toMatchObject({ accepted: 2, verdictsFromCache: 1 })
    rotating.put({ bundles: BundleSet.of(X509Bundle.of(authority.trustDomain, [])) })
    expect(await call(loopback.port, web)).toMatchObject({ body: null })
    rotating.put({ bundles: bundlesOf(authority) })
    expect(await call(loopback.port, web)).toMatchObject({ body: WEB_ID })
    expect(loopback.identity.counters).toMatchObject({
      accepted: 3,
      rejected: 1,
      verdictsFromCache: 1,
    })
  })

  test('does not answer from the cache once the peer has expired', async () => {
    let now = NOW
    await using loopback = await Loopback.serve(source, { clock: () => now })
    const dates = { notBefore: NOW - HOUR_MS, notAfter: NOW + 60_000 }
    const client = await authority.mint(WEB_ID, dates)
    expect(await call(loopback.port, client)).toMatchObject({ body: WEB_ID })
    now += 61_000
    expect(await call(loopback.port, client)).toMatchObject({ body: null })
  })

  test('forgets the verdicts that were used least recently', async () => {
    await using loopback = await Loopback.serve(source, { maxCachedVerdicts: 1 })
    const other = await authority.mint('spiffe://example.org/acme/other')
    for (const client of [web, other, web, web]) await call(loopback.port, client)
    expect(loopback.identity.counters).toMatchObject({ accepted: 4, verdictsFromCache: 1 })
  })
})

async function live(supply: HeldSource) {
  const loopback = await Loopback.serve(supply)
  const accepted = new Promise<TLSSocket>((resolve) => {
    loopback.server.once('secureConnection', resolve)
  })
  const client = dial(loopback.port, web)
  client.on('error', () => undefined)
  await once(client, 'secureConnect')
  const peer = peerOf(await accepted)!
  return { loopback, client, peer }
}

describe('a live connection', () => {
  test('lapses when its authority leaves the bundle, for good', async () => {
    const rotating = new HeldSource(source.svid, bundlesOf(authority, foreign))
    const { loopback, client, peer } = await live(rotating)
    await using _ = loopback
    expect(loopback.identity.connections).toEqual({ open: 1, verified: 1, anonymous: 0, lapsed: 0 })
    rotating.put({ bundles: bundlesOf(foreign) })
    expect(isCurrent(peer, NOW)).toBe(false)
    expect(loopback.identity.connections).toEqual({ open: 1, verified: 0, anonymous: 0, lapsed: 1 })
    rotating.put({ bundles: bundlesOf(authority) })
    expect(isCurrent(peer, NOW)).toBe(false)
    client.destroy()
  })

  test('lapses when its proof expires, and does not come back with a clock that is set back', async () => {
    const { loopback, client, peer } = await live(source)
    await using _ = loopback
    expect(isCurrent(peer, peer.notAfter - 1)).toBe(true)
    expect(isCurrent(peer, peer.notAfter)).toBe(false)
    expect(isCurrent(peer, NOW)).toBe(false)
    client.destroy()
  })

  test('lapses with the bundle even when nobody asks about it in the meantime', async () => {
    const rotating = new HeldSource(source.svid, bundlesOf(authority))
    const { loopback, client, peer } = await live(rotating)
    await using _ = loopback
    rotating.put({ bundles: BundleSet.empty })
    await Promise.resolve()
    rotating.put({ bundles: bundlesOf(authority) })
    expect(isCurrent(peer, NOW)).toBe(false)
    client.destroy()
  })

  test('goes on when the bundle gains an authority', async () => {
    const rotating = new HeldSource(source.svid, bundlesOf(authority))
    const { loopback, client, peer } = await live(rotating)
    await using _ = loopback
    rotating.put({ bundles: bundlesOf(authority, foreign) })
    expect(isCurrent(peer, NOW)).toBe(true)
    client.destroy()
  })

  test('goes on when its anchor is replaced by another certificate of the same authority', async () => {
    const rotating = new HeldSource(source.svid, bundlesOf(authority))
    const { loopback, client, peer } = await live(rotating)
    await using _ = loopback
    const renewed = await mintRootCa(
      'example.org',
      {
        subject: authority.subject,
        keyPair: authority.keyPair,
        notBefore: NOW - HOUR_MS,
      },
      FIXED,
    )
    rotating.put({ bundles: bundlesOf(renewed) })
    expect(isCurrent(peer, NOW)).toBe(true)
    expect(loopback.identity.connections).toMatchObject({ verified: 1 })
    client.destroy()
  })

  test('is forgotten when it closes', async () => {
    const { loopback, client } = await live(source)
    await using _ = loopback
    const gone = new Promise<void>((resolve) => {
      const check = (): void => {
        if (loopback.identity.connections.open === 0) resolve()
        else setImmediate(check)
      }
      check()
    })
    client.destroy()
    await gone
    expect(loopback.identity.connections.open).toBe(0)
  })
})

test('identityOf knows only servers that were made here', async () => {
  await using loopback = await Loopback.serve(source)
  expect(identityOf(loopback.server)).toMatchObject({ source, generation: 1, state: 'ready' })
  expect(identityOf({})).toBeUndefined()
})

/** A source whose bundles cannot be read now and then. */
class FaultySource extends HeldSource {
  isFaulty = false
  readonly #good: BundleSet

  constructor(...held: ConstructorParameters<typeof HeldSource>) {
    super(...held)
    this.#good = this.bundles
    Object.defineProperty(this, 'bundles', {
      get: () => {
        if (this.isFaulty) throw new Error('the bundles are out of order')
        return this.#good
      },
    })
  }
}
