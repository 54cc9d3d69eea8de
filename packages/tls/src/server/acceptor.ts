import type { X509Certificate } from 'node:crypto'
import type { Server, TLSSocket } from 'node:tls'
import {
  peerRejected,
  peerVerified,
  type PeerRejectedEvent,
  type PeerVerifiedEvent,
} from '../peer/events.ts'
import { bindPeer } from '../peer/binding.ts'
import { claimedSpiffeId } from '../peer/claimed-id.ts'
import type { ConnectionPeer } from '../peer/connection-peer.ts'
import type { Rejection } from '../rejection.ts'
import type { PeerVerifier } from '../peer/verifier.ts'
import type { ClientCertificateMode } from './modes.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { ServerCounters } from './server-counters.ts'

export interface AcceptorParts {
  readonly verifier: PeerVerifier
  readonly connections: ConnectionRegistry
  readonly counters: ServerCounters
  readonly clientCertificate: ClientCertificateMode
  readonly allowsResumption: boolean
  readonly clock: () => number
  /** Shared with the messages about failed handshakes. Default: one of its own. */
  readonly rateLimiter?: RateLimiter
}

interface AnonymousPeer {
  readonly ok: true
  readonly peer: null
}

type RejectionReason = Pick<Rejection, 'code' | 'message'>

type HandshakeOutcome =
  | { readonly ok: true; readonly peer: ConnectionPeer }
  | AnonymousPeer
  | Rejection

const anonymousPeer: AnonymousPeer = { ok: true, peer: null }

/**
 * Verifies the peer between the handshake and the HTTP server: only a connection with a good verdict
 * reaches the server's own listeners. It does so synchronously, so that bytes which were sent along with
 * the handshake are never parsed for an unverified peer.
 */
export class Acceptor {
  readonly #parts: AcceptorParts
  readonly #rateLimiter: RateLimiter

  constructor(parts: AcceptorParts) {
    this.#parts = parts
    this.#rateLimiter = parts.rateLimiter ?? new RateLimiter()
  }

  /** Replaces the server's `secureConnection` listeners, and calls them for verified peers. */
  interpose(server: Server): void {
    const listeners = server.listeners('secureConnection')
    server.removeAllListeners('secureConnection')
    server.on('secureConnection', (socket) => {
      if (!this.#admit(server, socket)) return
      try {
        for (const listener of listeners) Reflect.apply(listener, server, [socket])
      } catch (error) {
        this.#reject(server, socket, internalError(error))
      }
    })
    server.on('tlsClientError', (_error, socket) => {
      this.#parts.counters.handshakesFailed++
      // A plain TLS server leaves the socket open after a handshake that failed or took too long.
      socket.destroy()
    })
  }

  #admit(server: Server, socket: TLSSocket): boolean {
    let leaf: X509Certificate | undefined
    try {
      // Once and first: on Node 20, 22 and 24 a second call has lost the chain.
      leaf = socket.getPeerX509Certificate()
      const verdict = this.#verify(socket, leaf)
      if (verdict.ok) this.#accept(server, socket, verdict.peer)
      else this.#reject(server, socket, verdict, leaf)
      return verdict.ok
    } catch (error) {
      this.#reject(server, socket, internalError(error), leaf)
      return false
    }
  }

  #verify(socket: TLSSocket, leaf: X509Certificate | undefined): HandshakeOutcome {
    const { verifier, clientCertificate, allowsResumption, clock } = this.#parts
    if (socket.isSessionReused() && !allowsResumption) return resumed
    // A resumed session carries only the leaf: the chain is cached from the handshake, or unknown.
    if (leaf !== undefined) return verifier.verify(leaf, clock())
    return clientCertificate === 'optional' ? anonymousPeer : certificateMissing
  }

  #accept(server: Server, socket: TLSSocket, peer: ConnectionPeer | null): void {
    const { connections, counters } = this.#parts
    bindPeer(socket, peer)
    connections.add(socket, peer)
    counters.accepted++
    if (peer === null) return
    // Node sets false, because OpenSSL has no CA to verify with; other libraries read this.
    socket.authorized = true
    if (!peerVerified.hasSubscribers) return
    const event = { side: 'server', server, peer } as const
    peerVerified.publish(Object.freeze<PeerVerifiedEvent>(event))
  }

  #reject(
    server: Server,
    socket: TLSSocket,
    { code, message }: RejectionReason,
    leaf?: X509Certificate,
  ): void {
    const remoteAddress = socket.remoteAddress
    socket.destroy()
    this.#parts.counters.rejected++
    if (!peerRejected.hasSubscribers) return
    const hasMessage = this.#rateLimiter.tryAcquire(this.#parts.clock(), code)
    const details = hasMessage
      ? { message, claimedSpiffeId: claimedSpiffeId(leaf) }
      : { message: null, claimedSpiffeId: null }
    const event = { side: 'server', server, code, remoteAddress, ...details } as const
    peerRejected.publish(Object.freeze<PeerRejectedEvent>(event))
  }
}

const resumed: Rejection = {
  ok: false,
  code: 'session-resumed',
  message: 'the client resumed a session, which carries no chain to verify',
}

const certificateMissing: Rejection = {
  ok: false,
  code: 'no-certificate',
  message: 'the client presented no certificate',
}

function internalError(error: unknown): RejectionReason {
  return {
    code: 'internal-error',
    message:
      error instanceof Error ? error.message : 'a listener threw something that is not an error',
  }
}
