import https from 'node:https'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import {
  connect,
  peerOf,
  SvidAgent,
  TlsError,
  tlsOptions,
  webPki,
  type StapledServer,
} from '../index.ts'
import { bundlesOf, codeOf, HeldSource, Loopback, portOf } from '../loopback.test.helper.ts'

const WEB_ID = 'spiffe://example.org/web'
const SERVER_ID = 'spiffe://example.org/server'

let authority: MintedCa
let web: HeldSource

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  web = new HeldSource((await authority.mint(WEB_ID)).toX509Svid(), bundlesOf(authority))
})

/** A server with any certificate, which counts what it gets after the handshake. */
class WebServer implements AsyncDisposable {
  readonly #server: tls.Server
  bytes = 0
  readonly callers: (string | undefined)[] = []

  private constructor({ certificatesPem: cert, privateKeyPem: key }: MintedCertificate) {
    this.#server = tls.createServer({ cert, key, requestCert: true, rejectUnauthorized: false })
    this.#server.on('tlsClientError', () => undefined)
    this.#server.on('secureConnection', (socket) => {
      this.callers.push(socket.getPeerX509Certificate()?.subjectAltName)
      socket.on('data', (data: Buffer) => {
        this.bytes += data.length
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
      })
      socket.on('error', () => undefined)
    })
  }

  static async serve(material: MintedCertificate): Promise<WebServer> {
    const server = new WebServer(material)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    return portOf(this.#server)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}

function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'it did not fail',
    (error: unknown) => error,
  )
}

describe('server: webPki()', () => {
  test('connects to a server by its name, and presents the SVID', async () => {
    const named = await authority.mint(SERVER_ID, { uris: [], dnsNames: ['localhost'] })
    await using server = await WebServer.serve(named)
    const ca = [authority.certificatePem]
    const target = { source: web, host: 'localhost', port: server.port, family: 4 }
    const socket = await connect({ ...target, server: webPki({ ca }) })
    expect(peerOf(socket)).toBeNull()
    expect(socket.authorized).toBe(true)
    socket.write('x')
    await once(socket.resume(), 'close')
    expect(server.callers).toEqual([`URI:${WEB_ID}`])
  })

  test('sends 0 bytes to a server of another name, of another authority, or with an SVID only', async () => {
    const other = await mintRootCa('other.test')
    const server = webPki({ ca: authority.certificatePem })
    const names = { uris: [], dnsNames: ['localhost'] }
    const wrong = [
      await authority.mint(SERVER_ID, { ...names, dnsNames: ['other.test'] }),
      await other.mint(SERVER_ID, names),
      await authority.mint(SERVER_ID),
      await authority.mint(SERVER_ID, { ...names, notAfter: Date.now() - 2000 }),
    ]
    for (const material of wrong) {
      await using evil = await WebServer.serve(material)
      const target = { source: web, host: 'localhost', port: evil.port, family: 4 }
      const refused = await failureOf(connect({ ...target, server }))
      expect(refused).toMatchObject({ code: 'server-refused', rejection: undefined })
      expect((refused as TlsError).cause).toBeInstanceOf(Error)
      const agent = new SvidAgent({ source: web, server })
      const { host, port } = target
      const request = https.request({ host, port, family: 4, agent, method: 'POST' })
      request.end('a body')
      const [error] = await once(request, 'error')
      expect(error).toMatchObject({ code: 'server-refused' })
      expect(evil.bytes).toBe(0)
    }
  })

  test('trusts the authorities of Node by default, and not those of the bundles', async () => {
    const named = await authority.mint(SERVER_ID, { dnsNames: ['localhost'] })
    await using server = await WebServer.serve(named)
    const target = { source: web, host: 'localhost', port: server.port, family: 4 }
    const refused = await failureOf(connect({ ...target, server: webPki() }))
    expect(refused).toMatchObject({ code: 'server-refused' })
    expect(server.bytes).toBe(0)
  })

  test('reuses a connection of an agent until the own SVID is replaced', async () => {
    const named = await authority.mint(SERVER_ID, { dnsNames: ['localhost'] })
    const source = new HeldSource(named.toX509Svid(), bundlesOf(authority))
    await using server = await Loopback.serve(source)
    const own = new HeldSource(web.svid, web.bundles)
    const agent = new SvidAgent({
      source: own,
      server: webPki({ ca: authority.certificatePem }),
      keepAlive: true,
    })
    const get = async (): Promise<string> => {
      const request = https.get({ host: 'localhost', port: server.port, family: 4, agent })
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      return text(response)
    }
    expect([await get(), await get()]).toEqual([WEB_ID, WEB_ID])
    expect(server.identity.counters.accepted).toBe(1)
    own.put({ svid: (await authority.mint(WEB_ID)).toX509Svid() })
    expect(await get()).toBe(WEB_ID)
    expect(server.identity.counters.accepted).toBe(2)
    agent.destroy()
  })

  test('goes into the options for other clients, which verify the name and present the SVID', async () => {
    const source = new HeldSource(null, web.bundles)
    const server = webPki({ ca: authority.certificatePem })
    const options = tlsOptions({ source, server })
    const dialled = async (material: MintedCertificate): Promise<unknown> => {
      await using loopback = await WebServer.serve(material)
      const target = { host: 'localhost', port: loopback.port, family: 4, servername: 'localhost' }
      const socket = tls.connect({ ...target, ...options })
      try {
        await once(socket, 'secureConnect')
        socket.write('x')
        await once(socket.resume(), 'close')
        return loopback.callers[0]
      } catch (error) {
        expect(loopback.bytes).toBe(0)
        return Reflect.get(error as Error, 'code')
      }
    }
    const named = await authority.mint(SERVER_ID, { uris: [], dnsNames: ['localhost'] })
    expect(await dialled(named)).toMatch(/^(?:UNABLE|SELF|DEPTH)/)
    source.put({ svid: web.svid })
    expect(await dialled(named)).toBe(`URI:${WEB_ID}`)
    expect(await dialled(await authority.mint(SERVER_ID))).toBe('ERR_TLS_CERT_ALTNAME_INVALID')
  })

  test.each([['not a certificate'], [[]], [['x', 5]], [null], ['']])(
    'refuses %j as authorities',
    (ca) => {
      expect(codeOf(() => webPki({ ca } as never))).toBe('invalid-option')
    },
  )

  test('refuses an option that it does not have', () => {
    expect(codeOf(() => webPki({ rejectUnauthorized: false } as never))).toBe('unknown-option')
  })
})

describe('requireStaple', () => {
  test('sends 0 bytes unless the verifier says that the staple is good', async () => {
    const named = await authority.mint(SERVER_ID, { uris: [], dnsNames: ['localhost'] })
    await using server = await WebServer.serve(named)
    const target = { source: web, host: 'localhost', port: server.port, family: 4 }
    const refusal = { ok: false, code: 'no-staple', message: 'none' } as const
    const verdicts: unknown[] = [refusal, true, undefined, {}, Promise.resolve({ ok: true })]
    for (const verdict of verdicts) {
      const requireStaple = (): never => verdict as never
      const pki = webPki({ ca: authority.certificatePem, requireStaple })
      const refused = await failureOf(connect({ ...target, server: pki }))
      expect(refused).toMatchObject({ code: 'staple-refused' })
      expect((refused as TlsError).cause).toBe(verdict)
    }
    const pki = webPki({
      ca: authority.certificatePem,
      requireStaple: () => {
        throw new RangeError('odd')
      },
    })
    const refused = await failureOf(connect({ ...target, server: pki }))
    expect(refused).toMatchObject({ code: 'staple-refused', cause: { name: 'RangeError' } })
    expect(server.bytes).toBe(0)
  })

  test('hands the verifier the certificate, its issuer and what was stapled', async () => {
    const named = await authority.mint(SERVER_ID, { uris: [], dnsNames: ['localhost'] })
    await using server = await WebServer.serve(named)
    const seen: StapledServer[] = []
    const requireStaple = (stapled: StapledServer): { ok: true } => {
      seen.push(stapled)
      return { ok: true }
    }
    const pki = webPki({ ca: authority.certificatePem, requireStaple })
    const target = { source: web, host: 'localhost', port: server.port, family: 4 }
    const socket = await connect({ ...target, server: pki })
    socket.destroy()
    // The server does not send its authority: that comes from those that are trusted.
    expect(seen.map(({ issuer }) => issuer?.raw.equals(authority.der))).toEqual([true])
    expect(seen[0]!.certificate.raw.equals(named.chain[0]!)).toBe(true)
    expect(seen[0]!.response).toBeNull()
  })

  test('is refused where it would have no effect, and as anything but a function', () => {
    const pki = webPki({ ca: authority.certificatePem, requireStaple: () => ({ ok: true }) })
    expect(codeOf(() => tlsOptions({ source: web, server: pki }))).toBe('invalid-option')
    for (const requireStaple of [true, 'always', {}, null]) {
      expect(codeOf(() => webPki({ requireStaple } as never))).toBe('invalid-option')
    }
  })
})

describe("clientCertificate: 'none'", () => {
  test('verifies the server by its SPIFFE ID, and presents nothing, with or without an SVID', async () => {
    const svid = (await authority.mint(SERVER_ID)).toX509Svid()
    const source = new HeldSource(svid, bundlesOf(authority))
    await using server = await Loopback.serve(source, { clientCertificate: 'optional' })
    const target = { host: '127.0.0.1', port: server.port, clientCertificate: 'none' } as const
    for (const own of [web, new HeldSource(null, web.bundles)]) {
      const socket = await connect({ ...target, source: own, server: SERVER_ID })
      expect(peerOf(socket)?.spiffeId.toString()).toBe(SERVER_ID)
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      expect(await text(socket)).toMatch(/null/)
    }
    const refused = await failureOf(connect({ ...target, source: web, server: WEB_ID }))
    expect(refused).toMatchObject({ code: 'server-not-allowed' })
    const before = server.identity.counters.accepted
    const agent = new SvidAgent({
      source: web,
      server: SERVER_ID,
      clientCertificate: 'none',
      keepAlive: true,
    })
    for (const rotated of [web.svid, (await authority.mint(WEB_ID)).toX509Svid()]) {
      web.put({ svid: rotated })
      const request = https.get({ host: '127.0.0.1', port: server.port, agent })
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      expect(await text(response)).toBe('null')
    }
    expect(server.identity.counters.accepted).toBe(before + 1)
    agent.destroy()
  })

  test('is refused with a server of the Web PKI, and no other value is known', async () => {
    const target = { source: web, host: 'localhost', port: 1, server: webPki() }
    expect(await failureOf(connect({ ...target, clientCertificate: 'none' }))).toMatchObject({
      code: 'invalid-option',
    })
    const wrong = { ...target, server: SERVER_ID, clientCertificate: 'maybe' }
    expect(await failureOf(connect(wrong as never))).toMatchObject({ code: 'invalid-option' })
  })
})
