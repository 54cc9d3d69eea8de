import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { createDispatcher } from '@fastify-spiffe/fetch'
import { connect, SvidAgent, webPki, type WebPki } from '@fastify-spiffe/tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mintResponder } from '../verify/scene.test.helper.ts'
import { revoked, UNKNOWN } from '@fastify-spiffe-test/kit/ocsp-responses'
import { WebCa, type WebCertificate } from '@fastify-spiffe-test/kit/web-ca'
import { stapleVerifier, type StapleVerifierOptions } from './staple-verifier.ts'

const HOUR = 3_600_000

let authority: Authority
let source: InProcessSource
let ca: WebCa

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source('spiffe://example.org/web')
  ca = await WebCa.make()
})

afterAll(async () => {
  await source.close()
  await authority.close()
})

/** A server of the Web PKI that staples what the test says, and counts what reaches it. */
class WebServer implements AsyncDisposable {
  readonly #server: https.Server
  readonly staple: Buffer | null
  bytes = 0
  asked = 0

  private constructor({ key }: WebCertificate, cert: string, staple: Buffer | null) {
    this.staple = staple
    const options = { cert, key, requestCert: true, rejectUnauthorized: false }
    this.#server = https.createServer(options, (_request, response) => response.end('hello'))
    this.#server.on('OCSPRequest', (_certificate, _issuer, callback) => {
      this.asked += 1
      callback(null, staple)
    })
    this.#server.on('secureConnection', (socket) => {
      socket.on('data', (data: Buffer) => (this.bytes += data.length)).on('error', () => undefined)
    })
    this.#server.on('tlsClientError', () => undefined)
  }

  static async serve(
    web: WebCertificate,
    staple: Buffer | null,
    cert: string = web.cert,
  ): Promise<WebServer> {
    const server = new WebServer(web, cert, staple)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}

const pki = (options?: StapleVerifierOptions): WebPki =>
  webPki({ ca: ca.ca.certificatePem, requireStaple: stapleVerifier(options) })

interface Failure {
  readonly code?: string
  readonly cause?: Failure
}

/** `good`, or the code of the refusal. */
async function outcome(port: number, server: WebPki, minVersion = 'TLSv1.3'): Promise<unknown> {
  const target = { source, host: 'localhost', port, family: 4, server }
  try {
    const socket = await connect({ ...target, minVersion: minVersion as 'TLSv1.2' })
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    return (await text(socket)).endsWith('hello') ? 'good' : 'no answer'
  } catch (error) {
    const { code, cause } = error as Failure
    return `${code} ${cause?.code}`
  }
}

describe('a connection that requires a staple', () => {
  test('is made to a server that staples a good one, whether it sends its issuer or not', async () => {
    const web = await ca.mint()
    for (const cert of [web.cert, web.leafPem]) {
      await using server = await WebServer.serve(web, web.answer(), cert)
      expect(await outcome(server.port, pki())).toBe('good')
      expect(server.asked).toBe(1)
    }
  })

  test('is made with a staple of a delegated responder', async () => {
    const web = await ca.mint()
    const responder = await mintResponder(ca.ca)
    const certificates = [responder.certificate.raw]
    const staple = web.answer({}, { signer: responder, certificates })
    await using server = await WebServer.serve(web, staple)
    expect(await outcome(server.port, pki())).toBe('good')
  })

  const now = Date.now()
  const staples: [string, string, (web: WebCertificate) => Buffer | null | Promise<Buffer>][] = [
    ['nothing', 'no-staple', () => null],
    ['revoked', 'certificate-revoked', (web) => web.answer({ status: revoked(now - HOUR) })],
    ['unknown', 'certificate-unknown', (web) => web.answer({ status: UNKNOWN })],
    [
      'good, that has expired',
      'expired',
      (web) => web.answer({ thisUpdate: now - 3 * HOUR, nextUpdate: now - 2 * HOUR }),
    ],
    ['good, without an end', 'no-next-update', (web) => web.answer({ nextUpdate: null })],
    ['good of another certificate', 'no-match', async () => (await ca.mint()).answer()],
    [
      'good of another CA',
      'bad-signature',
      async (web) => {
        const other = await WebCa.make()
        return web.answer({}, { signer: await foreignSigner(other) })
      },
    ],
    ['no response at all', 'malformed', () => Buffer.from('staple')],
  ]

  test.each(staples)('sends 0 bytes to a server that staples %s: %s', async (_, code, make) => {
    const web = await ca.mint()
    await using server = await WebServer.serve(web, await make(web))
    expect(await outcome(server.port, pki())).toBe(`staple-refused ${code}`)
    expect(await outcome(server.port, pki(), 'TLSv1.2')).toBe(`staple-refused ${code}`)

    const agent = new SvidAgent({ source, server: pki() })
    const target = { host: 'localhost', port: server.port, family: 4 }
    const request = https.request({ ...target, agent, method: 'POST' })
    request.end('a body')
    const [error] = (await once(request, 'error')) as [Failure]
    expect(error).toMatchObject({ code: 'staple-refused', cause: { code } })

    const dispatcher = createDispatcher({ source, server: pki() })
    const url = `https://localhost:${server.port}/`
    await expect(dispatcher.fetch(url, { method: 'POST', body: 'x' })).rejects.toMatchObject({
      cause: { code: 'staple-refused', cause: { code } },
    })
    await dispatcher.destroy()
    expect(server.bytes).toBe(0)
  })

  test('sends requests of an agent and of a dispatcher to a server with a good one', async () => {
    const web = await ca.mint()
    await using server = await WebServer.serve(web, web.answer())
    const agent = new SvidAgent({ source, server: pki() })
    const request = https.get({ host: 'localhost', port: server.port, family: 4, agent })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    expect(await text(response)).toBe('hello')
    agent.destroy()
    const dispatcher = createDispatcher({ source, server: pki() })
    const fetched = await dispatcher.fetch(`https://localhost:${server.port}/`)
    expect(await fetched.text()).toBe('hello')
    await dispatcher.close()
  })

  test('still has to prove its name: a good staple for another name is of no use', async () => {
    const web = await ca.mint()
    await using server = await WebServer.serve(web, web.answer())
    const target = { source, host: '127.0.0.1', port: server.port, server: pki() }
    await expect(connect(target)).rejects.toMatchObject({ code: 'server-refused' })
    expect(server.bytes).toBe(0)
  })
})

/** The CA of a stranger that has the same name. */
async function foreignSigner(other: WebCa) {
  const { certificate } = other.ca
  return { certificate, privateKey: other.ca.keyPair.privateKey }
}

describe("demand: 'must-staple'", () => {
  const demand = 'must-staple'

  test('holds those to it whose certificate demands it, and no others', async () => {
    const held = await ca.mint({ mustStaple: true })
    await using bare = await WebServer.serve(held, null)
    expect(await outcome(bare.port, pki({ demand }))).toBe('staple-refused no-staple')
    await using good = await WebServer.serve(held, held.answer())
    expect(await outcome(good.port, pki({ demand }))).toBe('good')
    await using free = await WebServer.serve(await ca.mint(), null)
    expect(await outcome(free.port, pki({ demand }))).toBe('good')
  })

  test('refuses a staple that is not good of any server', async () => {
    const web = await ca.mint()
    const staple = web.answer({ status: revoked(Date.now() - HOUR) })
    await using server = await WebServer.serve(web, staple)
    expect(await outcome(server.port, pki({ demand }))).toBe('staple-refused certificate-revoked')
  })
})

describe('the verifier', () => {
  test.each<[object, string]>([
    [{ demand: 'sometimes' }, 'invalid-option'],
    [{ clockSkewMs: -1 }, 'invalid-option'],
    [{ maxAgeMs: 0 }, 'invalid-option'],
    [{ clock: 5 }, 'invalid-option'],
    [{ requireStaple: true }, 'unknown-option'],
  ])('is not made with %j', (options, code) => {
    expect(() => stapleVerifier(options)).toThrow(expect.objectContaining({ code }))
  })

  test('verifies nothing without the issuer', async () => {
    const web = await ca.mint()
    const { x509: certificate } = web.certificate
    const server = { certificate, issuer: undefined, response: web.answer() }
    expect(stapleVerifier()(server)).toMatchObject({ ok: false, code: 'no-issuer' })
  })

  test('takes an issuer that did not issue for none', async () => {
    const web = await ca.mint()
    const { x509: certificate } = web.certificate
    const issuer = (await WebCa.make()).ca.certificate.x509
    const server = { certificate, issuer, response: web.answer() }
    expect(stapleVerifier()(server)).toMatchObject({ ok: false, code: 'wrong-issuer' })
  })
})
