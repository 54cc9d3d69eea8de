import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import http2, { type Http2SecureServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import tls, { type TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { type ServiceError, status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { createGrpcClient, type GrpcServer } from './index.ts'
import {
  bundlesOf,
  type Heard,
  SERVER_ID,
  Stage,
  WEB_ID,
  words,
  Words,
} from './stage.test.helper.ts'

/** So many calls or connections are made at the same time. */
const MANY = 20

let stage: Stage
beforeEach(async () => {
  stage = await Stage.set()
})
afterEach(() => stage.clear())

/** What HTTP/2 carries of the message `said`. */
const ANSWER = Buffer.concat([Buffer.from([0, 0, 0, 0, 4]), Buffer.from('said')])

/** A server that answers calls, and is another one from some moment on, with the same keys of session tickets. */
class TurningServer {
  calls = 0
  handshakes = 0
  resumed = 0
  readonly #server: Http2SecureServer
  readonly #ticketKeys = randomBytes(48)
  readonly #sessions = new Set<ServerHttp2Session>()

  constructor(material: MintedCertificate) {
    this.#server = http2.createSecureServer({
      ...this.#context(material),
      requestCert: true,
      rejectUnauthorized: false,
    })
    this.#server.on('secureConnection', (socket) => {
      this.handshakes++
      if (socket.isSessionReused()) this.resumed++
    })
    this.#server.on('tlsClientError', () => undefined)
    this.#server.on('session', (session) => {
      this.#sessions.add(session)
      session.on('error', () => undefined)
      session.once('close', () => this.#sessions.delete(session))
    })
    this.#server.on('stream', (stream) => {
      this.calls++
      stream.on('error', () => undefined)
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc+proto' },
        { waitForTrailers: true },
      )
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(ANSWER)
    })
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  /** Presents something else from now on, and cuts all connections. */
  async turn(material: MintedCertificate): Promise<void> {
    this.#server.setSecureContext(this.#context(material))
    await this.cut()
  }

  async cut(): Promise<void> {
    const sessions = [...this.#sessions]
    const cut = sessions.map((session) => once(session, 'close'))
    for (const session of sessions) session.destroy()
    await Promise.all(cut)
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    await this.cut()
    await closed
  }

  #context({ certificatesPem, privateKeyPem }: MintedCertificate): tls.SecureContextOptions {
    return { cert: certificatesPem, key: privateKeyPem, ticketKeys: this.#ticketKeys }
  }
}

describe('a server that turns into another one', () => {
  let source: ScriptedSource
  let server: TurningServer
  let client: Words

  beforeEach(async () => {
    const web = (await stage.authority.mint(WEB_ID)).toX509Svid()
    source = new ScriptedSource(web, stage.bundles)
    server = stage.keep(new TurningServer(await stage.authority.mint(SERVER_ID)), (it) =>
      it.close(),
    )
    const target = `127.0.0.1:${await server.listen()}`
    const grpc = { 'grpc.initial_reconnect_backoff_ms': 100 }
    const made = createGrpcClient(Words, { target, source, server: SERVER_ID, grpc })
    client = stage.keep(made, (it) => it.close())
    expect(await client.say()).toBe('said')
    expect(server).toMatchObject({ calls: 1, handshakes: 1 })
  })

  function failures(): Promise<readonly (ServiceError | null)[]> {
    const { path, requestSerialize, responseDeserialize } = words.Say
    const failure = (): Promise<ServiceError | null> =>
      new Promise((resolve) => {
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, 'x', resolve)
      })
    return Promise.all(Array.from({ length: MANY }, failure))
  }

  test.each<[string, string, () => Promise<MintedCertificate>]>([
    ['with another SPIFFE ID', 'server-not-allowed', () => stage.authority.mint(WEB_ID)],
    [
      'of an unknown authority',
      'server-refused',
      async () => (await mintRootCa('example.org')).mint(SERVER_ID),
    ],
    [
      'of another trust domain that is trusted',
      'server-refused',
      async () => {
        const other = await mintRootCa('other.org')
        source.set(source.svid, bundlesOf(stage.authority, other))
        return other.mint(SERVER_ID)
      },
    ],
    ['that has expired', 'server-refused', () => stage.mintExpired(SERVER_ID)],
  ])('%s gets no call, and no session is resumed with it', async (_, code, mint) => {
    await server.turn(await mint())
    // Once again where a call was on its way when the connection was cut.
    for (const round of [1, 2]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const errors = await failures()
      expect(new Set(errors.map((error) => error?.code))).toEqual(new Set([status.UNAVAILABLE]))
      if (round === 2) {
        const causes = errors.map((error) => error?.cause)
        for (const cause of causes) expect(cause).toMatchObject({ code })
      }
    }
    expect(server).toMatchObject({ calls: 1, resumed: 0 })
  })

  test('and back is called again, by a whole handshake', async () => {
    await server.turn(await stage.authority.mint(WEB_ID))
    await failures()
    await server.turn(await stage.authority.mint(SERVER_ID))
    while ((await client.say()) !== 'said');
    expect(server.resumed).toBe(0)
  })

  test('whose authority goes gets no call on the connection that is kept', async () => {
    source.set(source.svid, (await Stage.set()).bundles)
    const errors = await failures()
    expect(new Set(errors.map((error) => error?.code))).toEqual(new Set([status.UNAVAILABLE]))
    expect(server.calls).toBe(1)
  })
})

describe('a caller that is not trusted', () => {
  let server: GrpcServer
  let port: number
  let heard: Heard

  async function serve(tlsOptions: object = {}): Promise<void> {
    const other = await mintRootCa('other.org')
    stage.source.set(stage.source.svid, bundlesOf(stage.authority, other))
    const rules = { rule: { public: { reason: 'a test' } } }
    ;({ server, port, heard } = await stage.serve(rules, { tls: tlsOptions }))
  }

  /** Calls all four methods in the flight that ends the handshake, and resolves when the calls have ended. */
  async function burst(minted: MintedCertificate | null, options: object = {}): Promise<void> {
    const session = http2.connect(`https://127.0.0.1:${port}`, {
      rejectUnauthorized: false,
      ...(minted !== null && { cert: minted.certificatesPem, key: minted.privateKeyPem }),
      ...options,
    })
    session.on('error', () => undefined)
    const ended: Promise<unknown>[] = []
    for (const { path } of Object.values(words)) {
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
      })
      ended.push(new Promise((resolve) => stream.once('close', resolve)))
      stream
        .on('error', () => undefined)
        .resume()
        .end(ANSWER)
    }
    await Promise.all(ended)
    session.destroy()
  }

  const kinds: readonly [string, () => Promise<MintedCertificate | null>][] = [
    ['without a certificate', async () => null],
    ['of an unknown authority', async () => (await mintRootCa('example.org')).mint(WEB_ID)],
    [
      'of an unknown trust domain',
      async () => (await mintRootCa('evil.test')).mint('spiffe://evil.test/a'),
    ],
    [
      'below an authority of another trust domain',
      async () => (await mintRootCa('other.org')).mint(WEB_ID),
    ],
    ['that has expired', () => stage.mintExpired(WEB_ID)],
  ]

  test.each(kinds)('%s reaches no handler by what it sends with its handshake', async (_, mint) => {
    await serve({ minVersion: 'TLSv1.2' })
    const minted = await mint()
    const both = [{}, { maxVersion: 'TLSv1.2' }]
    const connections = Array.from({ length: MANY }, (__, index) => burst(minted, both[index % 2]))
    await Promise.all(connections)
    expect(heard).toMatchObject({ handlers: [], messages: 0 })
    expect(server.identity.counters).toMatchObject({ accepted: 0, rejected: MANY })
    await burst(await stage.authority.mint(WEB_ID))
    expect(heard.handlers).toHaveLength(4)
  })

  test('any more resumes no session that it got before', async () => {
    await serve({ sessionTicketLifetimeMs: 60_000 })
    const web = await stage.authority.mint(WEB_ID)
    const options = { cert: web.certificatesPem, key: web.privateKeyPem, rejectUnauthorized: false }
    const first: TLSSocket = tls.connect({
      ...options,
      port,
      host: '127.0.0.1',
      ALPNProtocols: ['h2'],
    })
    first.resume()
    const [session] = (await once(first, 'session')) as [Buffer]
    first.destroy()
    expect(server.identity.counters.accepted).toBe(1)
    stage.source.set(stage.source.svid, (await Stage.set()).bundles)
    await Promise.all(Array.from({ length: MANY }, () => burst(web, { session })))
    expect(heard).toMatchObject({ handlers: [], messages: 0 })
    expect(server.identity.counters).toMatchObject({ accepted: 1, rejected: MANY })
  })
})
