import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import tls, { type TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { matchAny, type X509Svid } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { tlsOptions } from '../index.ts'
import {
  bundlesOf,
  callInSession,
  HeldSource,
  Loopback,
  portOf,
  record,
} from '../loopback.test.helper.ts'

const SERVER_ID = 'spiffe://example.org/database'
const WEB_ID = 'spiffe://example.org/acme/web'
const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

let authority: MintedCa
let foreign: MintedCa
let database: HeldSource
let web: HeldSource

async function svidOf(ca: MintedCa, id: string): Promise<X509Svid> {
  return (await ca.mint(id)).toX509Svid()
}

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  foreign = await mintRootCa('foreign.test')
  const bundles = bundlesOf(authority, foreign)
  database = new HeldSource(await svidOf(authority, SERVER_ID), bundles)
  web = new HeldSource(await svidOf(authority, WEB_ID), bundles)
})

/** As clients of databases do: connects, and writes without waiting for the handshake. */
async function ask(
  port: number,
  options: tls.ConnectionOptions,
): Promise<{ readonly body: string; readonly error: unknown }> {
  const socket: TLSSocket = tls.connect({ host: '127.0.0.1', port, ...options })
  let error: unknown
  socket.on('error', (reason) => (error = reason))
  socket.write(REQUEST)
  const answer = await text(socket).catch(() => '')
  socket.destroy()
  return { body: answer.slice(answer.indexOf('\r\n\r\n') + 4), error }
}

/** A TLS server with any certificate, which counts what reaches it. */
async function wrongServer(svid: X509Svid) {
  let received = 0
  const server = tls.createServer(
    { cert: svid.exportCertificatesPem(), key: svid.exportPrivateKeyPem() },
    (socket) => socket.on('error', () => undefined).on('data', (data) => (received += data.length)),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: portOf(server),
    received: () => received,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

describe('TLS options', () => {
  test('present the SVID and reach the server that has the SPIFFE ID', async () => {
    const verified = record('spiffe:peer:verified')
    await using loopback = await Loopback.serve(database)
    const { body } = await ask(loopback.port, tlsOptions({ source: web, server: SERVER_ID }))
    expect(body).toContain(WEB_ID)
    expect(verified.stop()).toHaveLength(2)
  })

  test('reach a server behind intermediates, and one whose authority is an intermediate', async () => {
    const middle = await authority.mintCa()
    const issuing = await middle.mintCa()
    const source = new HeldSource(await svidOf(issuing, SERVER_ID), bundlesOf(authority))
    await using loopback = await Loopback.serve(source)
    const throughRoot = tlsOptions({ source: web, server: SERVER_ID })
    expect((await ask(loopback.port, throughRoot)).body).toContain(WEB_ID)
    const narrow = new HeldSource(web.svid, bundlesOf(middle))
    const throughMiddle = tlsOptions({ source: narrow, server: SERVER_ID })
    expect((await ask(loopback.port, throughMiddle)).body).toContain(WEB_ID)
  })

  test.each([
    ['the authority of nobody', async () => svidOf(await mintRootCa('example.org'), SERVER_ID)],
    ['another SPIFFE ID', () => svidOf(authority, 'spiffe://example.org/other')],
    ['the authority of another trust domain', () => svidOf(foreign, SERVER_ID)],
  ])('send nothing to a server with %s, however often they are used', async (_what, mint) => {
    await using server = await wrongServer(await mint())
    const options = tlsOptions({ source: web, server: SERVER_ID })
    const attempts = await Promise.all(Array.from({ length: 20 }, () => ask(server.port, options)))
    expect(attempts.map(({ body }) => body)).toEqual(Array.from({ length: 20 }, () => ''))
    expect(attempts.every(({ error }) => error instanceof Error)).toBe(true)
    expect(server.received()).toBe(0)
  })

  test('fail with the code of what our verifier refuses', async () => {
    const rejected = record('spiffe:peer:rejected')
    await using other = await wrongServer(await svidOf(authority, 'spiffe://example.org/other'))
    await using crossed = await wrongServer(await svidOf(foreign, SERVER_ID))
    const another = await ask(other.port, tlsOptions({ source: web, server: SERVER_ID }))
    const crossing = await ask(crossed.port, tlsOptions({ source: web, server: matchAny() }))
    expect(another.error).toMatchObject({ code: 'server-not-allowed' })
    expect(crossing.error).toMatchObject({ code: 'server-refused', rejection: 'issuer-id-foreign' })
    expect(rejected.stop()).toMatchObject([
      { code: 'server-not-allowed' },
      { code: 'issuer-id-foreign' },
    ])
  })

  test('leave out the authorities of trust domains that the server cannot be of', async () => {
    await using crossed = await wrongServer(await svidOf(foreign, SERVER_ID))
    const { error } = await ask(crossed.port, tlsOptions({ source: web, server: SERVER_ID }))
    expect(error).toMatchObject({ code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY' })
  })

  test('follow the rotation of the SVID and of the bundles, even where a client has copied them', async () => {
    await using loopback = await Loopback.serve(database)
    const source = new HeldSource(web.svid, web.bundles)
    const options = { ...tlsOptions({ source, server: SERVER_ID }) }
    source.put({ svid: await svidOf(authority, 'spiffe://example.org/acme/web-2') })
    expect((await ask(loopback.port, options)).body).toContain('acme/web-2')
    source.put({ bundles: bundlesOf(foreign) })
    expect((await ask(loopback.port, options)).error).toBeInstanceOf(Error)
    source.put({ bundles: bundlesOf(authority) })
    expect((await ask(loopback.port, options)).body).toContain('acme/web-2')
  })

  test('fail every handshake while the source has no SVID or throws, and work once it has one', async () => {
    await using loopback = await Loopback.serve(database, { clientCertificate: 'optional' })
    const source = new HeldSource(null, web.bundles)
    const options = tlsOptions({ source, server: SERVER_ID })
    expect((await ask(loopback.port, options)).error).toBeInstanceOf(Error)
    let isBroken = true
    Object.defineProperty(source, 'svid', {
      get: () => {
        if (isBroken) throw new Error('broken')
        return web.svid
      },
    })
    expect((await ask(loopback.port, options)).error).toBeInstanceOf(Error)
    expect(loopback.requests).toBe(0)
    isBroken = false
    expect((await ask(loopback.port, options)).body).toContain(WEB_ID)
  })

  test('refuse to resume a session, also one that a client has kept by itself', async () => {
    await using loopback = await Loopback.serve(database, { sessionTicketLifetimeMs: 60_000 })
    const options = tlsOptions({ source: web, server: SERVER_ID })
    const sessions: Buffer[] = []
    const first = tls.connect({ host: '127.0.0.1', port: loopback.port, ...options })
    first.on('session', (session: Buffer) => sessions.push(session)).end(REQUEST)
    expect(await text(first)).toContain(WEB_ID)
    // The control: the server lets other clients resume theirs.
    const { issued } = await callInSession(loopback.port, web.svid)
    const resumed = await callInSession(loopback.port, web.svid, { session: issued[0]! })
    expect(resumed.isResumed).toBe(true)
    const { requests } = loopback
    for (const session of [sessions[0]!, issued[0]!]) {
      const { error } = await ask(loopback.port, { ...options, session })
      expect(String(error)).toMatch(/attempt to reuse session in different context/)
    }
    expect(loopback.requests).toBe(requests)
    expect((await ask(loopback.port, options)).body).toContain(WEB_ID)
  })

  test('show neither key nor certificate to who serializes or lists them', () => {
    const options = tlsOptions({ source: web, server: SERVER_ID })
    expect(JSON.stringify(options)).toBe('{"secureContext":{},"rejectUnauthorized":true}')
    expect(Object.keys(options.secureContext)).toEqual([])
  })

  test.each([
    ['invalid-option', { server: undefined }],
    ['invalid-option', { source: {} }],
    ['invalid-option', { minVersion: 'TLSv1.1' }],
    ['unknown-option', { timeoutMs: 1 }],
    ['forbidden-option', { rejectUnauthorized: false }],
    ['forbidden-option', { ca: [] }],
  ])('are refused with the code %s for %j', (code, wrong) => {
    expect(() => tlsOptions({ source: web, server: SERVER_ID, ...wrong } as never)).toThrow(
      expect.objectContaining({ code }),
    )
  })
})
