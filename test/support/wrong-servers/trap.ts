import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import tls, { type SecureVersion, type TLSSocket } from 'node:tls'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { WebSocketServer } from 'ws'

/** The protocol by which client and server agree on TLS, before they speak it. */
export type Preface = 'postgresql'

export interface TrapOptions {
  readonly preface?: Preface | undefined
  /** Whether the right server answers HTTP. It hangs up on others, once it has got something of them. */
  readonly speaksHttp: boolean
  readonly maxVersion?: SecureVersion
}

/** What a server presents, and whether it is the one that is meant. */
interface Role {
  readonly material: MintedCertificate
  readonly isRight: boolean
}

/** What a wrong server says at once, for clients that listen to nobody in particular. */
const LIES = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlies'

/**
 * A server that is the right one or a wrong one, as the test says, from one connection to the next. A wrong one accepts every client, answers unasked, and
 * counts what it gets. Both have the same keys for session tickets, so that a session of either is one of the other.
 */
export class TrapServer implements AsyncDisposable {
  readonly #front: net.Server
  readonly #options: TrapOptions
  readonly #ticketKeys = randomBytes(48)
  readonly #sockets = new Set<Socket>()
  /** Those of HTTP/1.1 to the right server. */
  readonly #ending = new Map<Socket, TLSSocket>()
  readonly #http1: http.Server
  readonly #http2: http2.Http2Server
  readonly #webSockets = new WebSocketServer({ noServer: true })
  #roleOf: (connection: number) => Role
  /** Of all TCP connections. */
  connections = 0
  /** Of the connections as the wrong server. */
  wrongConnections = 0
  /** Bytes that clients sent to the wrong server after the handshake. */
  stolen = 0
  /** What clients sent to the right server: requests, messages, or connections with data that it does not speak. */
  served = 0

  private constructor(roleOf: (connection: number) => Role, options: TrapOptions) {
    this.#roleOf = roleOf
    this.#options = options
    this.#front = net.createServer((socket) => this.#accept(socket))
    const answer = (
      request: IncomingMessage | Http2ServerRequest,
      response: ServerResponse | Http2ServerResponse,
    ): void => {
      this.served++
      request.resume().once('end', () => response.end('right'))
    }
    this.#http1 = http.createServer(answer).on('upgrade', (request, socket, head) => {
      this.#webSockets.handleUpgrade(request, socket, head, (webSocket) =>
        webSocket.on('message', (message) => {
          this.served++
          webSocket.send(message)
        }),
      )
    })
    this.#http2 = http2.createServer(answer)
    this.#http2.on('sessionError', () => undefined)
  }

  static async start(material: MintedCertificate, options: TrapOptions): Promise<TrapServer> {
    const trap = new TrapServer(() => ({ material, isRight: true }), options)
    trap.#front.listen(0, '127.0.0.1')
    await once(trap.#front, 'listening')
    return trap
  }

  get port(): number {
    return (this.#front.address() as AddressInfo).port
  }

  /** From now on: the wrong server, of this certificate. */
  turn(material: MintedCertificate): void {
    this.#roleOf = () => ({ material, isRight: false })
  }

  /** From now on: every other connection is to the wrong server, of `wrong`. */
  alternate(right: MintedCertificate, wrong: MintedCertificate): void {
    this.#roleOf = (connection) =>
      connection % 2 === 0
        ? { material: right, isRight: true }
        : { material: wrong, isRight: false }
  }

  /** Ends all connections, and waits until they are gone; in good order where the client might keep its session. */
  async end(): Promise<void> {
    const closed = [...this.#sockets].map((socket) => once(socket, 'close'))
    for (const socket of this.#sockets) (this.#ending.get(socket) ?? socket.destroy()).end()
    await Promise.all(closed)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#front, 'close')
    this.#front.close()
    for (const socket of this.#sockets) socket.destroy()
    this.#webSockets.close()
    await closed
  }

  #accept(socket: Socket): void {
    const role = this.#roleOf(this.connections++)
    if (!role.isRight) this.wrongConnections++
    this.#sockets.add(socket)
    socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket))
    const { preface } = this.#options
    if (preface !== 'postgresql') return this.#secure(socket, role)
    socket.once('data', () => {
      socket.pause()
      socket.write('S')
      this.#secure(socket, role)
    })
  }

  #secure(socket: Socket, { material, isRight }: Role): void {
    const { maxVersion } = this.#options
    const server = tls.createServer({
      cert: material.certificatesPem,
      key: material.privateKeyPem,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
      ticketKeys: this.#ticketKeys,
      sessionIdContext: 'trap',
      ...(maxVersion && { maxVersion }),
    })
    server.on('tlsClientError', () => undefined)
    server.on('secureConnection', (secured) => {
      secured.on('error', () => undefined)
      if (isRight) this.#serve(secured, socket)
      else this.#steal(secured)
    })
    server.emit('connection', socket)
  }

  #steal(socket: TLSSocket): void {
    socket.on('data', (data: Buffer) => (this.stolen += data.length))
    socket.write(LIES)
  }

  #serve(socket: TLSSocket, raw: Socket): void {
    if (socket.alpnProtocol === 'h2') {
      this.#http2.emit('connection', socket)
    } else if (this.#options.speaksHttp) {
      this.#ending.set(raw, socket)
      raw.once('close', () => this.#ending.delete(raw))
      this.#http1.emit('connection', socket)
    } else {
      socket.once('data', () => {
        this.served++
        socket.destroy()
      })
    }
  }
}
