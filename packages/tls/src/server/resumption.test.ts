import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { BundleSet, RevocationList, X509Bundle, type X509Svid } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { createSvidServer, isCurrent, peerOf } from '../index.ts'
import {
  bundlesOf,
  callInSession,
  dial,
  HeldSource,
  Loopback,
  record,
  type Protocol,
  type SessionAnswer,
} from '../loopback.test.helper.ts'
import type { SvidServerOptions } from './server-options.ts'

const SERVER_ID = 'spiffe://example.org/server'
const WEB_ID = 'spiffe://example.org/acme/web'
const NOW = Date.now()
/** Whatever is minted is dated by the clock that the servers have: a slow machine changes nothing. */
const FIXED = { clock: (): number => NOW }
const RESUMABLE = { sessionTicketLifetimeMs: 60_000 } as const

let authority: MintedCa
let neighbour: MintedCa
let svid: X509Svid
let web: MintedCertificate

beforeAll(async () => {
  authority = await mintRootCa('example.org', {}, FIXED)
  neighbour = await mintRootCa('neighbour.test', {}, FIXED)
  svid = (await authority.mint(SERVER_ID)).toX509Svid()
  web = await authority.mint(WEB_ID)
})

function sourceOf(...authorities: MintedCa[]): HeldSource {
  return new HeldSource(svid, bundlesOf(...authorities))
}

type Version = 'TLSv1.2' | 'TLSv1.3'

const kinds: [string, Version, Protocol, SvidServerOptions][] = [
  ['TLS 1.3', 'TLSv1.3', 'http/1.1', {}],
  ['TLS 1.3 and HTTP/2', 'TLSv1.3', 'h2', { http2: true }],
  ['TLS 1.2', 'TLSv1.2', 'http/1.1', { minVersion: 'TLSv1.2' }],
]

describe.each(kinds)('with tickets of %s', (_name, version, protocol, options) => {
  const serve = (source: HeldSource, more: SvidServerOptions = {}): Promise<Loopback> =>
    Loopback.serve(source, { ...options, ...RESUMABLE, ...more })

  const visit = (
    { port }: Loopback,
    client: MintedCertificate,
    before?: SessionAnswer,
  ): Promise<SessionAnswer> => {
    const session = before?.issued[0]
    if (before !== undefined && session === undefined) throw new Error('no session was issued')
    const versions = { protocol, minVersion: version, maxVersion: version }
    return callInSession(port, client, { ...versions, ...(session && { session }) })
  }

  test('a peer resumes its session, and is who it has proven to be', async () => {
    await using loopback = await serve(sourceOf(authority))
    const first = await visit(loopback, web)
    const second = await visit(loopback, web, first)
    expect(first).toMatchObject({ body: WEB_ID, isResumed: false })
    // Nothing that would live longer than what the handshake proved.
    expect(second).toMatchObject({ body: WEB_ID, isResumed: true, issued: [] })
    expect(loopback.identity.counters).toMatchObject({ accepted: 2, verdictsFromCache: 1 })
  })

  test('a peer behind an intermediate is known from its handshake', async () => {
    await using loopback = await serve(sourceOf(authority))
    const client = await (await authority.mintCa()).mint(WEB_ID)
    const first = await visit(loopback, client)
    expect(await visit(loopback, client, first)).toMatchObject({ body: WEB_ID, isResumed: true })
  })

  test('a peer that is not remembered is verified from its leaf, or cut', async () => {
    const events = record('spiffe:peer:rejected')
    await using loopback = await serve(sourceOf(authority), { maxCachedVerdicts: 1 })
    const intermediate = await authority.mintCa({ subject: 'CN=Intermediate' })
    const behind = await intermediate.mint('spiffe://example.org/acme/behind')
    const direct = await visit(loopback, web)
    const indirect = await visit(loopback, behind)
    expect(await visit(loopback, web, direct)).toMatchObject({ body: WEB_ID, isResumed: true })
    expect(await visit(loopback, behind, indirect)).toMatchObject({ body: null, isResumed: true })
    expect(loopback.identity.counters).toMatchObject({ accepted: 3, rejected: 1 })
    expect(events.stop()).toMatchObject([{ code: 'no-path' }])
  })

  test('the connection of a peer that has expired is closed', async () => {
    const events = record('spiffe:peer:rejected')
    let now = NOW
    await using loopback = await serve(sourceOf(authority), { clock: () => now })
    const client = await authority.mint(WEB_ID, { notAfter: NOW + 30_000 })
    const first = await visit(loopback, client)
    now += 31_000
    expect(await visit(loopback, client, first)).toMatchObject({ body: null, isResumed: true })
    expect(loopback.requests).toBe(1)
    expect(events.stop()).toMatchObject([{ code: 'expired' }])
  })

  test('the connection of a peer that was revoked is closed', async () => {
    const events = record('spiffe:peer:rejected')
    const source = sourceOf(authority)
    await using loopback = await serve(source)
    const first = await visit(loopback, web)
    const revoked = [web.toX509Svid().leaf.serialNumber]
    const list = RevocationList.fromDer(await authority.mintRevocationList({ revoked }))
    const bundle = X509Bundle.of(authority.trustDomain, [authority.certificate], [list])
    source.put({ bundles: BundleSet.of(bundle) })
    expect(await visit(loopback, web, first)).toMatchObject({ body: null, isResumed: true })
    expect(events.stop()).toMatchObject([{ code: 'revoked' }])
  })

  test('a peer that was disconnected is verified anew, as with a full handshake', async () => {
    await using loopback = await serve(sourceOf(authority))
    const connected = new Promise<TLSSocket>((resolve) => {
      loopback.server.once('secureConnection', resolve)
    })
    const first = await visit(loopback, web)
    const before = peerOf(await connected)
    // A connection that is open, for one whose peer can be disconnected.
    const open = dial(loopback.port, web, { protocol, minVersion: version, maxVersion: version })
    await once(loopback.server, 'secureConnection')
    expect(loopback.identity.disconnectPeers(() => true)).toBe(1)
    expect(isCurrent(before!, NOW)).toBe(false)
    const accepted = once(loopback.server, 'secureConnection')
    expect(await visit(loopback, web, first)).toMatchObject({ body: WEB_ID, isResumed: true })
    const [socket] = await accepted
    expect(peerOf(socket)).not.toBe(before)
    expect(isCurrent(peerOf(socket)!, NOW)).toBe(true)
    open.destroy()
  })

  test('a peer whose authority is gone resumes nothing, and its connection is closed', async () => {
    const events = record('spiffe:peer:rejected')
    const source = sourceOf(authority, neighbour)
    await using loopback = await serve(source)
    const client = await neighbour.mint('spiffe://neighbour.test/web')
    const first = await visit(loopback, client)
    const known = await visit(loopback, web)
    source.put({ bundles: bundlesOf(authority) })
    expect(await visit(loopback, client, first)).toMatchObject({ body: null, isResumed: false })
    expect(await visit(loopback, web, known)).toMatchObject({ body: WEB_ID, isResumed: false })
    // The SVID on the wire is the one that it was.
    expect(loopback.identity.generation).toBe(1)
    expect(events.stop()).toMatchObject([{ code: 'unknown-trust-domain' }])
  })

  test('so does one whose authority was added later, and is gone from the bundle of its domain', async () => {
    const source = sourceOf(authority)
    await using loopback = await serve(source)
    source.put({ bundles: bundlesOf(authority, neighbour) })
    const client = await neighbour.mint('spiffe://neighbour.test/web')
    const first = await visit(loopback, client)
    const empty = X509Bundle.of(neighbour.trustDomain, [])
    source.put({ bundles: source.bundles.with(empty) })
    expect(await visit(loopback, client, first)).toMatchObject({ body: null, isResumed: false })
  })

  test('sessions outlive a new authority', async () => {
    const source = sourceOf(authority)
    await using loopback = await serve(source)
    const first = await visit(loopback, web)
    source.put({ bundles: bundlesOf(authority, neighbour) })
    expect(await visit(loopback, web, first)).toMatchObject({ body: WEB_ID, isResumed: true })
  })

  test('sessions end with a new SVID, whose sessions can be resumed', async () => {
    const source = sourceOf(authority)
    await using loopback = await serve(source)
    const first = await visit(loopback, web)
    source.put({ svid: (await authority.mint(SERVER_ID)).toX509Svid() })
    const second = await visit(loopback, web, first)
    expect(second).toMatchObject({ body: WEB_ID, isResumed: false })
    expect(await visit(loopback, web, second)).toMatchObject({ body: WEB_ID, isResumed: true })
  })

  test('sessions end with an authority even when the SVID that comes with its removal is of no use', async () => {
    const source = sourceOf(authority, neighbour)
    await using loopback = await serve(source)
    const client = await neighbour.mint('spiffe://neighbour.test/web')
    const first = await visit(loopback, client)
    const expired = await authority.mint(SERVER_ID, { notAfter: NOW - 1000 })
    source.put({
      svid: expired.toX509Svid({ clock: () => NOW - 2000 }),
      bundles: bundlesOf(authority),
    })
    expect(await visit(loopback, client, first)).toMatchObject({ body: null, isResumed: false })
    expect(loopback.identity.generation).toBe(1)
  })

  test('no session is resumed while there is no SVID to present', async () => {
    const source = sourceOf(authority)
    await using loopback = await serve(source)
    const first = await visit(loopback, web)
    source.put({ svid: null, state: 'denied', bundles: BundleSet.empty })
    expect(await visit(loopback, web, first)).toMatchObject({ body: null, isResumed: false })
    expect(loopback.identity.counters).toMatchObject({ accepted: 1, rejected: 0 })
  })

  test('no other server resumes them', async () => {
    await using one = await serve(sourceOf(authority))
    await using other = await serve(sourceOf(authority))
    const first = await visit(one, web)
    expect(await visit(other, web, first)).toMatchObject({ body: WEB_ID, isResumed: false })
  })
})

describe('sessionTicketLifetimeMs', () => {
  test.each([-1, 1, 999, 1000.5, 3_600_001, Number.NaN, Infinity, '60000', true])(
    'cannot be %p',
    (sessionTicketLifetimeMs) => {
      const options = Object.assign({}, { sessionTicketLifetimeMs })
      const make = (): unknown =>
        Reflect.apply(createSvidServer, undefined, [sourceOf(authority), options])
      expect(make).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    },
  )

  test.each([0, 1000, 3_600_000])('can be %p', (sessionTicketLifetimeMs) => {
    expect(() => createSvidServer(sourceOf(authority), { sessionTicketLifetimeMs })).not.toThrow()
  })

  test('is not for servers that let in clients without a certificate', () => {
    const options = { ...RESUMABLE, clientCertificate: 'optional' } as const
    expect(() => createSvidServer(sourceOf(authority), options)).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
  })

  test('is sent to the client, in seconds', async () => {
    await using loopback = await Loopback.serve(sourceOf(authority), {
      sessionTicketLifetimeMs: 42_900,
    })
    const { issued } = await callInSession(loopback.port, web)
    expect(issued.length).toBeGreaterThan(0)
    expect(issued.map(ticketLifetimeOf)).toEqual(issued.map(() => 42))
  })
})

// [9] of the SSL_SESSION that OpenSSL writes: the lifetime that the server has given its ticket.
function ticketLifetimeOf(session: Buffer): number {
  const at = session.indexOf(Buffer.from([0xa9, 0x03, 0x02, 0x01]))
  return at === -1 ? Number.NaN : session.readUInt8(at + 4)
}
