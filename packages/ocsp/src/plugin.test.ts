import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import dns from 'node:dns'
import tls from 'node:tls'
import { Authority } from '@fastify-spiffe/authority'
import { spiffeServer } from '@fastify-spiffe/svid'
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { ocsp, type OcspOptions } from './index.ts'
import { revoked } from '@fastify-spiffe-test/kit/ocsp-responses'
import { TestResponder, WebCa, type WebCertificate } from '@fastify-spiffe-test/kit/web-ca'
import { handshake } from './handshake.test.helper.ts'

let ca: WebCa
let web: WebCertificate

beforeAll(async () => {
  ca = await WebCa.make()
})

beforeEach(async () => {
  web = await ca.mint()
})

const good = (): Promise<TestResponder> => TestResponder.serve(() => web.answer())

async function listening(app: FastifyInstance): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

const codeOf = (boot: PromiseLike<unknown>): Promise<unknown> =>
  Promise.resolve(boot).then(
    () => 'it did not fail',
    (error: unknown) => (error as { code?: unknown }).code,
  )

type Answered = (error: null, addresses: unknown, family?: number) => void

/** Stands in for `dns.lookup`, with or without options: `localhost` has two addresses, also where it has one. */
function twoAddresses(host: string, ...rest: [Answered] | [{ all?: boolean }, Answered]): void {
  const names = host === 'localhost' ? ['127.0.0.1', '127.0.0.2'] : [host]
  const [options, answer] = rest.length === 1 ? [{}, rest[0]] : rest
  if (options.all !== true) answer(null, names[0], 4)
  else
    answer(
      null,
      names.map((address) => ({ address, family: 4 })),
    )
}

describe('the plugin', () => {
  test('staples for the certificate of an https server, which it finds by itself', async () => {
    await using responder = await good()
    await using app = Fastify({ https: { cert: web.cert, key: web.key } })
    await app.register(ocsp, { responderUrl: responder.url })
    app.get('/', () => 'hello')
    const port = await listening(app)
    expect((await handshake(port)).staple).not.toBeNull()
    expect(app.ocsp.staples).toMatchObject([{ stapled: true, status: 'good' }])
    expect((await app.inject('/')).body).toBe('hello')
  })

  test('staples over HTTP/2 and HTTP/1.1 of one server', async () => {
    await using responder = await good()
    const https = { cert: [web.cert], key: [web.key], allowHTTP1: true }
    await using app = Fastify({ http2: true, https })
    await app.register(ocsp, { responderUrl: responder.url })
    const port = await listening(app as unknown as FastifyInstance)
    for (const protocol of ['h2', 'http/1.1']) {
      const { staple } = await handshake(port, { ALPNProtocols: [protocol] })
      expect(staple).not.toBeNull()
    }
  })

  test('staples for the further servers that Fastify makes for localhost', async () => {
    await using responder = await good()
    await using app = Fastify({ https: { cert: web.cert, key: web.key } })
    await app.register(ocsp, { responderUrl: responder.url })
    const { lookup } = dns
    Object.assign(dns, { lookup: twoAddresses })
    try {
      await app.listen({ host: 'localhost', port: 0 })
    } finally {
      Object.assign(dns, { lookup })
    }
    const addresses = app.addresses() as AddressInfo[]
    expect(addresses).toHaveLength(2)
    for (const { address, port } of addresses) {
      expect((await handshake(port, { host: address })).staple).not.toBeNull()
    }
  })

  test('sends nothing to clients that do not ask, and nothing in resumed sessions', async () => {
    await using responder = await good()
    await using app = Fastify({ https: { cert: web.cert, key: web.key } })
    await app.register(ocsp, { responderUrl: responder.url })
    const port = await listening(app)
    expect(
      (await handshake(port, { requestOCSP: false } as tls.ConnectionOptions)).staple,
    ).toBeNull()
    const target = { port, host: '127.0.0.1', servername: 'localhost' }
    const first = tls.connect({ ...target, rejectUnauthorized: false })
    const [session] = (await once(first, 'session')) as [Buffer]
    first.destroy()
    expect(await handshake(port, { session })).toMatchObject({ isResumed: true, staple: null })
    expect(await handshake(port)).toMatchObject({ isResumed: false, staple: expect.anything() })
  })

  test('keeps answers in a folder, and ends with the application', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ocsp-'))
    try {
      await using responder = await good()
      const app = Fastify({ https: { cert: web.cert, key: web.key } })
      await app.register(ocsp, { responderUrl: responder.url, directory })
      await app.close()
      expect(readdirSync(directory)).toHaveLength(1)
      expect(() => app.ocsp.attach(app.server as unknown as tls.Server)).toThrow(
        expect.objectContaining({ code: 'closed' }),
      )
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('logs what becomes of the staples, and no certificate', async () => {
    const lines: Record<string, unknown>[] = []
    let text = ''
    const stream = new Writable({
      write: (chunk, _encoding, done) => {
        text += String(chunk)
        lines.push(JSON.parse(String(chunk)) as Record<string, unknown>)
        done()
      },
    })
    await using responder = await good()
    await using app = Fastify({ https: { cert: web.cert, key: web.key }, logger: { stream } })
    await app.register(ocsp, { responderUrl: responder.url })
    responder.answering = () => Buffer.from('page')
    await app.ocsp.refresh()
    responder.answering = () => web.answer({ status: revoked(Date.now()), thisUpdate: Date.now() })
    await app.ocsp.refresh()
    expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
      [30, 'OCSP answer taken'],
      [40, 'OCSP answer not taken'],
      [30, 'OCSP answer taken'],
      [50, 'the certificate of this server is revoked: replace it'],
      [50, 'no OCSP staple any more'],
    ])
    expect(lines[1]).toMatchObject({
      serialNumber: web.certificate.serialNumber,
      code: 'malformed',
      failures: 1,
    })
    expect(text).not.toMatch(/BEGIN|PRIVATE/)
  })
})

const boot = (app: FastifyInstance, options: OcspOptions = {}): Promise<unknown> =>
  codeOf(app.register(ocsp, { responderUrl: 'http://127.0.0.1:1/', ...options }))

describe('the plugin is refused', () => {
  test('on plain HTTP', async () => {
    await using app = Fastify()
    expect(await boot(app)).toBe('plain-http')
  })

  test('on a server that presents an SVID', async () => {
    await using authority = await Authority.create({ trustDomain: 'example.org' })
    await using source = await authority.source('spiffe://example.org/web')
    await using app = Fastify(spiffeServer(source))
    expect(await boot(app as unknown as FastifyInstance)).toBe('svid-server')
  })

  test('without a certificate that it can read', async () => {
    await using app = Fastify({ https: {} })
    expect(await boot(app as unknown as FastifyInstance)).toBe('no-certificate')
  })

  test('for a certificate without a responder', async () => {
    await using app = Fastify({ https: { cert: web.cert, key: web.key } })
    expect(await codeOf(app.register(ocsp, {}))).toBe('no-responder')
  })

  test('for a certificate that demands a staple while the responder is down', async () => {
    const { cert, key } = await ca.mint({ mustStaple: true })
    await using app = Fastify({ https: { cert, key } })
    expect(await boot(app as unknown as FastifyInstance)).toBe('no-staple')
  })

  test('twice, and beside a listener of the application', async () => {
    await using app = Fastify({ https: { cert: web.cert, key: web.key } })
    await app.register(ocsp, { responderUrl: 'http://127.0.0.1:1/' })
    expect(await boot(app as unknown as FastifyInstance)).toBe('already-stapled')
    await using other = Fastify({ https: { cert: web.cert, key: web.key } })
    other.server.on('OCSPRequest', () => undefined)
    expect(await boot(other as unknown as FastifyInstance)).toBe('already-stapled')
  })

  test.each<[string, object, string]>([
    ['an option that it does not have', { url: 'http://127.0.0.1/' }, 'unknown-option'],
    ['a responder that is no URL', { responderUrl: 'somewhere' }, 'invalid-option'],
    ['a folder that is no path', { directory: '' }, 'invalid-option'],
    ['another hash', { certIdHash: 'md5' }, 'invalid-option'],
    ['another method', { method: 'PUT' }, 'invalid-option'],
    ['another kind of nonce', { nonce: true }, 'invalid-option'],
    ['no time to answer', { timeoutMs: 0 }, 'invalid-option'],
    ['a retry at once', { retryMs: 0 }, 'invalid-option'],
    ['a tolerance of hours', { clockSkewMs: 3_600_000 }, 'invalid-option'],
    ['an age that is not a number', { maxAgeMs: Number.NaN }, 'invalid-option'],
    ['a transport that is none', { transport: 'http' }, 'invalid-option'],
    ['an issuer that is none', { issuer: 'x' }, 'no-certificate'],
    ['a switch that is none', { stapleRevoked: 'yes' }, 'invalid-option'],
  ])('with %s', async (_, options, code) => {
    await using app = Fastify({ https: { cert: web.cert, key: web.key } })
    expect(await boot(app as unknown as FastifyInstance, options)).toBe(code)
  })
})
