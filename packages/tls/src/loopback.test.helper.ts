import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import http2, {
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import type { Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import {
  BundleSet,
  X509Bundle,
  type SourceState,
  type WaitOptions,
  type X509MaterialSource,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import { Updates } from '@fastify-spiffe/spiffe/internal'
import { createSvidServer, identityOf, peerOf, TlsError, type ServerIdentity } from './index.ts'
import type { SvidServerOptions } from './server/server-options.ts'

/** A source that holds what the test puts in. */
export class HeldSource implements X509MaterialSource {
  readonly #updates = new Updates()
  svid: X509Svid | null
  bundles: BundleSet
  state: SourceState = 'ready'

  constructor(svid: X509Svid | null, bundles: BundleSet) {
    this.svid = svid
    this.bundles = bundles
  }

  put(change: { svid?: X509Svid | null; bundles?: BundleSet; state?: SourceState }): void {
    Object.assign(this, change)
    this.#updates.notify()
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  async close(): Promise<void> {
    this.#updates.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

export function bundlesOf(...authorities: MintedCa[]): BundleSet {
  return BundleSet.of(...authorities.map((ca) => X509Bundle.of(ca.trustDomain, [ca.certificate])))
}

/** What most servers of a test need. */
export interface Material {
  readonly authority: MintedCa
  /** Holds the SVID of a server, and the bundle of `authority`. */
  readonly source: HeldSource
  /** An SVID of `authority` for a client. */
  readonly web: MintedCertificate
}

export async function mintMaterial(webId = 'spiffe://example.org/web'): Promise<Material> {
  const authority = await mintRootCa('example.org')
  const svid = (await authority.mint('spiffe://example.org/server')).toX509Svid()
  const source = new HeldSource(svid, bundlesOf(authority))
  return { authority, source, web: await authority.mint(webId) }
}

export function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port is open')
  return address.port
}

/** Records what is published on a channel until `stop`. */
export function record(name: string): { stop(): object[] } {
  const events: object[] = []
  const listener = (message: unknown): void => {
    if (typeof message === 'object' && message !== null) events.push(message)
  }
  subscribe(name, listener)
  return {
    stop: () => {
      unsubscribe(name, listener)
      return events
    },
  }
}

/** The code of the `TlsError` that `action` throws. */
export function codeOf(action: () => unknown): string | undefined {
  try {
    action()
  } catch (error) {
    return error instanceof TlsError ? error.code : String(error)
  }
  return undefined
}

type AnyRequest = IncomingMessage | Http2ServerRequest
type AnyResponse = ServerResponse | Http2ServerResponse

/** An SVID server on a port of the loopback interface, that answers with the caller's SPIFFE ID. */
export class Loopback implements AsyncDisposable {
  readonly server: Server | Http2SecureServer
  readonly identity: ServerIdentity
  requests = 0
  readonly #sockets = new Set<TLSSocket>()

  private constructor(server: Server | Http2SecureServer) {
    this.server = server
    this.identity = identityOf(server)!
    // Not `connection`: Node 26.12 crashes when the socket beneath a TLS socket is destroyed.
    server.on('secureConnection', (socket: TLSSocket) => this.#sockets.add(socket))
    server.on('request', (request: AnyRequest, response: AnyResponse) => {
      this.requests++
      response.end(String(peerOf(request.socket)?.spiffeId ?? null))
    })
  }

  static async serve(
    source: X509MaterialSource,
    options: SvidServerOptions = {},
  ): Promise<Loopback> {
    const { http2: isHttp2, ...rest } = options
    const loopback = new Loopback(
      isHttp2 === true
        ? createSvidServer(source, { ...rest, http2: true })
        : createSvidServer(source, rest),
    )
    loopback.server.listen(0, '127.0.0.1')
    await once(loopback.server, 'listening')
    return loopback
  }

  get port(): number {
    return portOf(this.server)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    if (!this.server.listening) return
    const closed = once(this.server, 'close')
    this.server.close()
    await closed
  }
}

export type Protocol = 'http/1.1' | 'h2'

export interface Answer {
  /** `null`: the connection was cut without an answer. */
  readonly body: string | null
  readonly serverSerial: string | undefined
}

/** A client with any material and no scruples: verifies nothing, and sends its request along with its Finished. */
export async function call(
  port: number,
  material: MintedCertificate | X509Svid | null,
  options: ConnectionOptions & { readonly protocol?: Protocol } = {},
): Promise<Answer> {
  const socket = dial(port, material, options)
  let serverSerial: string | undefined
  socket.once('secureConnect', () => {
    serverSerial = socket.getPeerX509Certificate()?.serialNumber.toLowerCase()
  })
  const body = options.protocol === 'h2' ? await callHttp2(socket) : await callHttp1(socket)
  socket.destroy()
  return { body, serverSerial }
}

export interface SessionAnswer {
  readonly body: string | null
  readonly isResumed: boolean
  /** What the client can offer the next time: what the server issued after the handshake, the last one first. */
  readonly issued: readonly Buffer[]
  /** What `getSession` said at the end of the handshake. */
  readonly established: Buffer | undefined
}

/** As `call`, with what became of TLS sessions. What the server issues comes before its answer. */
export async function callInSession(
  port: number,
  material: MintedCertificate | X509Svid | null,
  options: ConnectionOptions & { readonly protocol?: Protocol } = {},
): Promise<SessionAnswer> {
  const socket = dial(port, material, options)
  const issued: Buffer[] = []
  let isResumed = false
  let established: Buffer | undefined
  socket.on('session', (session: Buffer) => issued.unshift(session))
  socket.once('secureConnect', () => {
    isResumed = socket.isSessionReused()
    established = socket.getSession()
  })
  const body = options.protocol === 'h2' ? await callHttp2(socket) : await callHttp1(socket)
  socket.destroy()
  return { body, isResumed, issued, established }
}

export function dial(
  port: number,
  material: MintedCertificate | X509Svid | null,
  { protocol = 'http/1.1', ...options }: ConnectionOptions & { readonly protocol?: Protocol } = {},
): TLSSocket {
  return tls.connect({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ALPNProtocols: [protocol],
    ...pemOf(material),
    ...options,
  })
}

function pemOf(material: MintedCertificate | X509Svid | null): ConnectionOptions {
  if (material === null) return {}
  return 'leaf' in material
    ? { cert: material.exportCertificatesPem(), key: material.exportPrivateKeyPem() }
    : { cert: material.certificatesPem, key: material.privateKeyPem }
}

async function callHttp1(socket: TLSSocket): Promise<string | null> {
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  const answer = await text(socket).catch(() => '')
  return answer.startsWith('HTTP/1.1 200') ? bodyOf(answer) : null
}

// The one chunk that the test server sends, or a body with a length.
function bodyOf(answer: string): string {
  const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
  return /\r\nTransfer-Encoding: chunked/i.test(answer) ? (body.split('\r\n')[1] ?? '') : body
}

async function callHttp2(socket: TLSSocket): Promise<string | null> {
  const session = http2.connect('https://localhost', { createConnection: () => socket })
  session.on('error', () => undefined)
  const stream = session.request({ ':path': '/' })
  const body = await text(stream as Readable).catch(() => null)
  session.destroy()
  // A stream of a session that was cut ends without headers.
  return body === '' ? null : body
}
