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

/** How long after the last response a client may take to close the connection, before it is destroyed. */
const LINGER_MS = 1000

/** One open connection: its peer, its requests, and how it is closed. */
export class LiveConnection {
  readonly socket: TLSSocket
  readonly peer: ConnectionPeer | null
  /** When it is closed ahead of the expiry of its peer, in ms since the epoch; `Infinity`: never. */
  readonly closeAt: number
  /** When it reaches its maximal age, in ms since the epoch; `Infinity`: never. */
  readonly maxAgeAt: number
  readonly #setTimer: SetTimer
  // HTTP/1.1 sends responses in the order of their requests: when the last has ended, all have.
  // Tracking each of them would cost every request a listener.
  #lastResponse: ServerResponse | undefined
  #session: ServerHttp2Session | undefined
  #isUpgraded = false
  #onClosing: (() => void) | undefined
  #isClosing = false
  #isDraining = false

  constructor(
    socket: TLSSocket,
    peer: ConnectionPeer | null,
    times: { readonly closeAt: number; readonly maxAgeAt: number },
    setTimer: SetTimer,
  ) {
    this.socket = socket
    this.peer = peer
    this.closeAt = times.closeAt
    this.maxAgeAt = times.maxAgeAt
    this.#setTimer = setTimer
    Object.defineProperty(socket, boundConnection, { value: this })
  }

  /** Whether it is being closed gracefully. */
  get isClosing(): boolean {
    return this.#isClosing
  }

  /** Whether it is being closed gracefully, and is destroyed after a grace period. */
  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Records that the connection speaks HTTP/2. */
  useHttp2(session: ServerHttp2Session): void {
    this.#session = session
  }

  /** Records the response to an HTTP/1.1 request that has arrived. */
  trackResponse(response: ServerResponse): void {
    // Node emits two events for a request that expects `100 Continue`.
    if (response === this.#lastResponse) return
    this.#lastResponse = response
    if (this.#isClosing) this.#endAfter(response)
  }

  /**
   * Records that the connection no longer speaks HTTP: only the application knows when it is idle.
   *
   * @param onClosing called when it is to be closed gracefully, so that the application does so
   */
  markUpgraded(onClosing?: () => void): void {
    this.#isUpgraded = true
    this.#onClosing = onClosing
  }

  /** Closes the connection after its pending requests, and destroys it after `graceMs`. */
  drain(graceMs: number): void {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#destroyAfter(graceMs)
    this.closeGracefully()
  }

  /** Closes the connection after its pending requests, however long they take. */
  closeGracefully(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    if (this.#session !== undefined) {
      this.#destroyOnceFinished()
      // RFC 9113 §6.8: GOAWAY; open streams continue.
      this.#session.close()
      return
    }
    if (this.#isUpgraded) {
      this.#onClosing?.()
      return
    }
    if (this.#lastResponse !== undefined && !this.#lastResponse.closed) {
      this.#endAfter(this.#lastResponse)
      return
    }
    // Idle: all responses have been received, so that the client need not close its side first.
    this.socket.destroySoon()
  }

  destroy(): void {
    this.socket.destroy()
  }

  #endAfter(response: ServerResponse): void {
    // RFC 9112 §9.6: no request is answered after a response with `Connection: close`.
    if (!response.headersSent) response.setHeader('connection', 'close')
    response.once('close', () => {
      if (response === this.#lastResponse) this.#endSocket()
    })
  }

  // Not `destroy()`: closing with unread input resets the connection, and may truncate the last response.
  #endSocket(): void {
    if (this.#isUpgraded) return
    this.#destroyOnceFinished()
    this.socket.end()
  }

  #destroyOnceFinished(): void {
    this.socket.once('finish', () => this.#destroyAfter(LINGER_MS))
  }

  #destroyAfter(delayMs: number): void {
    if (this.socket.destroyed) return
    const cancel = this.#setTimer(() => this.destroy(), delayMs)
    this.socket.once('close', cancel)
  }
}

/** Returns the accepted connection of a socket, or of the proxy that HTTP/2 has in its place. */
export function liveConnectionOf(carrier: object | undefined): LiveConnection | undefined {
  return carrier === undefined ? undefined : (carrier as Carrier)[boundConnection]
}
