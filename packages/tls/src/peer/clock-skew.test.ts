import { X509Certificate } from 'node:crypto'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { matchAny, type X509Svid } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { connect, createSvidServer, createSvidTlsServer, SvidAgent } from '../index.ts'
import { bundlesOf, call, HeldSource, Loopback } from '../loopback.test.helper.ts'
import { revocationPolicies } from '../options.ts'
import { currentUntil, isCurrent, lapseReasonOf } from './connection-peer.ts'
import { PeerVerifier } from './verifier.ts'

const SERVER_ID = 'spiffe://example.org/server'
const WEB_ID = 'spiffe://example.org/acme/web'
const NOW = Date.parse('2001-02-03T04:05:06Z')
const HOUR_MS = 3_600_000
const SKEW_MS = 30_000
const always = { notBefore: NOW - HOUR_MS, notAfter: NOW + HOUR_MS }
const time = { clock: () => NOW }

let authority: MintedCa
let source: HeldSource

async function svidOf(id: string, dates: object = always): Promise<X509Svid> {
  return (await authority.mint(id, { ...always, ...dates })).toX509Svid({ clock: () => NOW })
}

function ignore(): void {}

beforeAll(async () => {
  authority = await mintRootCa('example.org', always, time)
  source = new HeldSource(await svidOf(SERVER_ID), bundlesOf(authority))
})

describe('a tolerance for clocks', () => {
  test('holds for what is remembered and for live connections too, to its end', async () => {
    const supply = new HeldSource(null, bundlesOf(authority))
    const verifier = new PeerVerifier(supply, revocationPolicies('soft'), 10, SKEW_MS)
    const { leaf } = await svidOf(WEB_ID, { notAfter: NOW + 60_000 })
    const judge = (now: number) => verifier.verify(new X509Certificate(leaf.raw), now)
    const end = NOW + 60_000 + SKEW_MS
    const verdict = judge(end - 1)
    if (!verdict.ok) throw new Error(verdict.message)
    const { peer } = verdict

    expect([peer.notAfter, currentUntil(peer)]).toEqual([end, end])
    expect(judge(end - 1)).toBe(verdict)
    // Other bundles: the chain is judged once more, by the same rule.
    const renewed = await mintRootCa(
      'example.org',
      { ...always, subject: authority.subject, keyPair: authority.keyPair },
      time,
    )
    supply.put({ bundles: bundlesOf(renewed) })
    expect(isCurrent(peer, end - 1)).toBe(true)

    expect(isCurrent(peer, end)).toBe(false)
    expect(lapseReasonOf(peer, end)).toBe('expired')
    expect(judge(end + 1)).toMatchObject({ ok: false, code: 'expired' })
  })

  test('reaches the clients of a server', async () => {
    const early = await authority.mint(WEB_ID, { ...always, notBefore: NOW + SKEW_MS })
    await using strict = await Loopback.serve(source, time)
    await using lenient = await Loopback.serve(source, { ...time, clockSkewMs: SKEW_MS })
    expect(await call(strict.port, early)).toMatchObject({ body: null })
    expect(await call(lenient.port, early)).toMatchObject({ body: WEB_ID })
  })

  test('reaches the servers of a client, and no client without it', async () => {
    const late = new HeldSource(await svidOf(SERVER_ID, { notAfter: NOW + 1000 }), source.bundles)
    await using loopback = await Loopback.serve(late, time)
    const caller = new HeldSource(await svidOf(WEB_ID), bundlesOf(authority))
    const options = {
      source: caller,
      host: '127.0.0.1',
      port: loopback.port,
      server: matchAny(),
      clock: () => NOW + 1000 + SKEW_MS,
    }
    const socket = await connect({ ...options, clockSkewMs: SKEW_MS })
    socket.destroy()
    // Of the same source: what one client remembers is not the other's.
    await expect(connect(options)).rejects.toMatchObject({
      code: 'server-refused',
      rejection: 'expired',
    })
  })

  test('is never for the own SVID', async () => {
    const expired = new HeldSource(await svidOf(SERVER_ID, { notAfter: NOW }), source.bundles)
    const options = { clock: () => NOW + 1, clockSkewMs: SKEW_MS }
    expect(() => createSvidServer(expired, options)).toThrow(
      expect.objectContaining({ code: 'invalid-material' }),
    )
  })

  test.each([-1, 0.5, Number.NaN, Infinity, 300_001, '1000', null])(
    'may not be %p, whoever is given it',
    (value) => {
      const clockSkewMs = value as number
      const client = { source, server: matchAny(), clockSkewMs }
      const refused = expect.objectContaining({ name: 'TlsError', code: 'invalid-option' })
      expect(() => createSvidServer(source, { clockSkewMs })).toThrow(refused)
      expect(() => createSvidTlsServer(source, { clockSkewMs }, ignore)).toThrow(refused)
      expect(() => new SvidAgent(client)).toThrow(refused)
      return expect(connect({ ...client, host: '127.0.0.1', port: 1 })).rejects.toEqual(refused)
    },
  )
})

describe('a source that was not awaited', () => {
  test('is named as such, wherever a source is taken', async () => {
    const promise = Promise.resolve(source) as unknown as HeldSource
    const refused = expect.objectContaining({
      code: 'invalid-option',
      message: expect.stringContaining('await'),
    })
    const client = { source: promise, server: matchAny() }
    expect(() => createSvidServer(promise)).toThrow(refused)
    expect(() => createSvidTlsServer(promise, {}, ignore)).toThrow(refused)
    expect(() => new SvidAgent(client)).toThrow(refused)
    await expect(connect({ ...client, host: '127.0.0.1', port: 1 })).rejects.toEqual(refused)
  })
})
