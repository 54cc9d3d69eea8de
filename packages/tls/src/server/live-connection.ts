import type { ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import type { ConnectionPeer } from '../peer/connection-peer.ts'

// A symbol property and not a WeakMap: HTTP/2 hands out proxies of its sockets.
const boundConnection: unique symbol = Symbol('spiffe.connection')

interface Carrier {
  readonly [boundConnection]?: LiveConnection
}

/** How long a client that was answered and told to go may take to hang up, before it is cut. */
const LINGER_MS = 1000

/** One open connection: whose it is, what runs on it, and how it is sent away. */
export class LiveConnection {
  readonly socket: TLSSocket
  readonly peer: ConnectionPeer | null
  /** When it is told to go ahead of time, in ms since the epoch; `Infinity`: never. */
  readonly leaveAt: number
  /** When it has lived long enough, in ms since the epoch; `Infinity`: never. */
  readonly retireAt: number
  readonly #setTimer: SetTimer
  // Responses go out in the order of their requests: when the last is done, all are. To follow each would cost
  // every request a listener.
  #lastResponse: ServerResponse | undefined
  #session: ServerHttp2Session | undefined
  #isUpgraded = false
  #isLeaving = false
  #isDraining = false

  constructor(
    socket: TLSSocket,
    peer: ConnectionPeer | null,
    times: { readonly leaveAt: number; readonly retireAt: number },
    setTimer: SetTimer,
  ) {
    this.socket = socket
    this.peer = peer
    this.leaveAt = times.leaveAt
    this.retireAt = times.retireAt
    this.#setTimer = setTimer
    Object.defineProperty(socket, boundConnection, { value: this })
  }

  /** It has been told to go. */
  get isLeaving(): boolean {
    return this.#isLeaving
  }

  /** It has been told to go, and will be cut. */
  get isDraining(): boolean {
    return this.#isDraining
  }

  /** It speaks HTTP/2. */
  carry(session: ServerHttp2Session): void {
    this.#session = session
  }

  /** An HTTP/1.1 request has arrived that `response` will answer. */
  begin(response: ServerResponse): void {
    // Node asks about one request by two events where it expects `100 Continue`.
    if (response === this.#lastResponse) return
    this.#lastResponse = response
    if (this.#isLeaving) this.#endAfter(response)
  }

  /** It speaks HTTP no more: what it is busy with is known to the application alone. */
  upgrade(): void {
    this.#isUpgraded = true
  }

  /** Lets what runs finish, then ends the connection; cuts it after `graceMs`. */
  drain(graceMs: number): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#cutAfter(graceMs)
    this.leave()
  }

  /** Lets what runs finish, however long it takes, then ends the connection. */
  leave(): void {
    if (this.#isLeaving) return
    this.#isLeaving = true
    if (this.#session !== undefined) {
      this.#cutOnceEnded()
      // RFC 9113 §6.8: GOAWAY; streams that are open go on.
      this.#session.close()
      return
    }
    if (this.#isUpgraded) return
    if (this.#lastResponse !== undefined && !this.#lastResponse.closed) {
      this.#endAfter(this.#lastResponse)
      return
    }
    // Idle: whatever was answered has arrived, and nobody waits for the client to hang up too.
    this.socket.destroySoon()
  }

  cut(): void {
    this.socket.destroy()
  }

  #endAfter(response: ServerResponse): void {
    // RFC 9112 §9.6: after a response that says so, nothing more is answered.
    if (!response.headersSent) response.setHeader('connection', 'close')
    response.once('close', () => {
      if (response === this.#lastResponse) this.#end()
    })
  }

  // Not at once: who closes with something unread resets, and may cut off the end of the last response.
  #end(): void {
    if (this.#isUpgraded) return
    this.#cutOnceEnded()
    this.socket.end()
  }

  #cutOnceEnded(): void {
    this.socket.once('finish', () => this.#cutAfter(LINGER_MS))
  }

  #cutAfter(delayMs: number): void {
    if (this.socket.destroyed) return
    const cancel = this.#setTimer(() => this.cut(), delayMs)
    this.socket.once('close', cancel)
  }
}

/** The connection of a socket, or of what HTTP/2 offers in its place, that a server has accepted. */
export const connectionOf = (carrier: object | undefined): LiveConnection | undefined =>
  carrier === undefined ? undefined : (carrier as Carrier)[boundConnection]
