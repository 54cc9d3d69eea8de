import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse, Http2Session } from 'node:http2'
import type { Server } from 'node:net'
import type { Duplex } from 'node:stream'
import tls, { type TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { BundleSet, X509Bundle, type X509Svid } from '@fastify-spiffe/spiffe'
import { createSvidServer, peerOf, type ConnectionPeer } from '@fastify-spiffe/tls'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { createDispatcher, type DispatcherOptions, type SvidDispatcher } from './index.ts'

export const SERVER_ID = 'spiffe://example.org/server'
export const WEB_ID = 'spiffe://example.org/web'

export type AnyRequest = IncomingMessage | Http2ServerRequest
export type AnyResponse = ServerResponse | Http2ServerResponse
export type Handler = (request: AnyRequest, response: AnyResponse) => void

export function bundlesOf(...authorities: MintedCa[]): BundleSet {
  return BundleSet.of(...authorities.map((ca) => X509Bundle.of(ca.trustDomain, [ca.certificate])))
}

/** An authority, a source for a client, and one for servers. */
export interface Scene {
  readonly authority: MintedCa
  readonly server: ScriptedSource
  mintWeb(): Promise<X509Svid>
  newClient(): Promise<ScriptedSource>
}

export async function openScene(): Promise<Scene> {
  const authority = await mintRootCa('example.org')
  const svid = (await authority.mint(SERVER_ID)).toX509Svid()
  const mintWeb = async (): Promise<X509Svid> => (await authority.mint(WEB_ID)).toX509Svid()
  return {
    authority,
    server: new ScriptedSource(svid, bundlesOf(authority)),
    mintWeb,
    newClient: async () => new ScriptedSource(await mintWeb(), bundlesOf(authority)),
  }
}

export function callerOf(request: AnyRequest): ConnectionPeer {
  const peer = peerOf(request.socket)
  if (peer == null) throw new Error('the request has no caller')
  return peer
}

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port is open')
  return address.port
}

/** A server of a test, by its origin. */
export class TestServer implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()
  connections = 0
  requests = 0
  /** Of requests, or of whatever the client sends after its handshake. */
  bytes = 0

  constructor(server: Server) {
    this.#server = server
    server.on('secureConnection', (socket: TLSSocket) => {
      this.connections++
      this.#sockets.add(socket.on('error', () => undefined))
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('tlsClientError', () => undefined)
  }

  /** Speaks HTTP/2 and HTTP/1.1 with verified callers, and answers with the serial number of the caller. */
  static async serve(source: ScriptedSource, handler?: Handler): Promise<TestServer> {
    const server = createSvidServer(source, { http2: true, allowHTTP1: true })
    const served = new TestServer(server)
    server.on('request', (request, response) => {
      served.requests++
      if (handler === undefined) response.end(callerOf(request).serialNumber)
      else handler(request, response)
    })
    return served.listen()
  }

  /** Takes every caller, and answers nothing: counts the bytes that it should not get. */
  static serveEvil(material: MintedCertificate, options: tls.TlsOptions = {}): Promise<TestServer> {
    const { certificatesPem: cert, privateKeyPem: key } = material
    const ALPNProtocols = ['h2', 'http/1.1']
    const given = { cert, key, requestCert: true, rejectUnauthorized: false, ALPNProtocols }
    const server = new TestServer(tls.createServer({ ...given, ...options }))
    server.#server.on('secureConnection', (socket: TLSSocket) => {
      socket.on('data', (data: Buffer) => (server.bytes += data.length))
    })
    return server.listen()
  }

  onConnection(listener: (socket: TLSSocket) => void): void {
    this.#server.on('secureConnection', listener)
  }

  onUpgrade(listener: (socket: Duplex) => void): void {
    this.#server.on('upgrade', (_request, socket: Duplex) => listener(socket))
  }

  onSession(listener: (session: Http2Session) => void): void {
    this.#server.on('session', listener)
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get origin(): string {
    return `https://127.0.0.1:${portOf(this.#server)}`
  }

  /** The connections that are open. */
  get open(): number {
    return this.#sockets.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

/** A way to send a request with a dispatcher, by the versions of undici that this Node can run. */
export interface Client {
  readonly name: string
  readonly options: Partial<DispatcherOptions>
  readonly fetch: (dispatcher: SvidDispatcher, url: string, init?: RequestInit) => Promise<Response>
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const canUndici8 = major > 22 || (major === 22 && minor >= 19)
if (!canUndici8) process.stdout.write('undici 8 is not tested: it needs Node 22.19 or later\n')
const undici8 = canUndici8 ? await import('undici8') : undefined

const bound: Client['fetch'] = (dispatcher, url, init) => dispatcher.fetch(url, init)

export const clients: readonly Client[] = [
  { name: 'its own fetch', options: {}, fetch: bound },
  {
    name: 'the built-in fetch',
    options: {},
    fetch: (dispatcher, url, init) => {
      // The types of the built-in fetch are of another version of undici.
      const untyped: object = { dispatcher }
      return fetch(url, { ...init, ...untyped })
    },
  },
  ...(undici8 === undefined
    ? []
    : [{ name: 'the fetch of undici 8', options: { undici: undici8 }, fetch: bound }]),
]

export interface Way extends Client {
  readonly http2: boolean
  readonly title: string
}

function over(client: Client, http2: boolean): Way {
  const title = `${client.name} over ${http2 ? 'HTTP/2' : 'HTTP/1.1'}`
  return { ...client, http2, title, options: { ...client.options, http2 } }
}

/** Every client, over both versions of HTTP. */
export const ways: readonly Way[] = clients.flatMap((client) => [
  over(client, false),
  over(client, true),
])

/** A dispatcher that is destroyed at the end of its block. */
export class Opened implements AsyncDisposable {
  readonly dispatcher: SvidDispatcher

  constructor(options: DispatcherOptions) {
    this.dispatcher = createDispatcher(options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispatcher.destroy()
  }
}

/** A server without TLS. */
export class PlainServer implements AsyncDisposable {
  readonly #server: http.Server

  private constructor(onRequest: () => void) {
    this.#server = http.createServer((_request, response) => {
      onRequest()
      response.end('plain')
    })
  }

  static async serve(onRequest: () => void): Promise<PlainServer> {
    const plain = new PlainServer(onRequest)
    plain.#server.listen(0, '127.0.0.1')
    await once(plain.#server, 'listening')
    return plain
  }

  get origin(): string {
    return `http://127.0.0.1:${portOf(this.#server)}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}
