import type { X509Certificate } from 'node:crypto'
import type { Server, TLSSocket } from 'node:tls'
import {
  peerRejected,
  peerVerified,
  type PeerRejectedEvent,
  type PeerVerifiedEvent,
} from '../events.ts'
import { bindPeer } from '../peer/binding.ts'
import { claimedSpiffeId } from '../peer/claimed-id.ts'
import type { ConnectionPeer } from '../peer/connection-peer.ts'
import type { Rejection } from '../peer/rejection.ts'
import type { PeerVerifier } from '../peer/verifier.ts'
import type { ConnectionRegistry } from './connection-registry.ts'
import { MessageBudget } from './message-budget.ts'
import type { ServerCounters } from './server-counters.ts'

export type ClientCertificateMode = 'required' | 'optional'

export interface AcceptorParts {
  readonly verifier: PeerVerifier
  readonly connections: ConnectionRegistry
  readonly counters: ServerCounters
  readonly clientCertificate: ClientCertificateMode
  readonly allowsResumption: boolean
  readonly clock: () => number
  /** Shared with what else is told of a server's clients. */
  readonly messages?: MessageBudget
}

interface Anonymity {
  readonly ok: true
  readonly peer: null
}

type Reason = Pick<Rejection, 'code' | 'message'>

type Verdict = { readonly ok: true; readonly peer: ConnectionPeer } | Anonymity | Rejection

const anonymity: Anonymity = { ok: true, peer: null }

/**
 * Stands between the handshake and the HTTP server: only a connection with a good verdict reaches
 * the server's own listeners, synchronously, so that bytes sent along with the handshake are never
 * parsed for anyone else.
 */
export class Acceptor {
  readonly #parts: AcceptorParts
  readonly #messages: MessageBudget

  constructor(parts: AcceptorParts) {
    this.#parts = parts
    this.#messages = parts.messages ?? new MessageBudget()
  }

  /** Takes the place of the server's `secureConnection` listeners and calls them for good peers. */
  interpose(server: Server): void {
    const listeners = server.listeners('secureConnection')
    server.removeAllListeners('secureConnection')
    server.on('secureConnection', (socket) => {
      if (!this.#admit(server, socket)) return
      try {
        for (const listener of listeners) Reflect.apply(listener, server, [socket])
      } catch (error) {
        this.#reject(server, socket, failure(error))
      }
    })
    server.on('tlsClientError', (_error, socket) => {
      this.#parts.counters.handshakesFailed++
      // A plain TLS server tells of a handshake that failed or took too long, and leaves its socket open.
      socket.destroy()
    })
  }

  #admit(server: Server, socket: TLSSocket): boolean {
    let leaf: X509Certificate | undefined
    try {
      // Once and first: on Node 20, 22 and 24 a second call finds the chain gone.
      leaf = socket.getPeerX509Certificate()
      const verdict = this.#judge(socket, leaf)
      if (verdict.ok) this.#accept(server, socket, verdict.peer)
      else this.#reject(server, socket, verdict, leaf)
      return verdict.ok
    } catch (error) {
      this.#reject(server, socket, failure(error), leaf)
      return false
    }
  }

  #judge(socket: TLSSocket, leaf: X509Certificate | undefined): Verdict {
    const { verifier, clientCertificate, allowsResumption, clock } = this.#parts
    if (socket.isSessionReused() && !allowsResumption) return resumed
    // A resumed session carries the leaf alone: its chain is known from the handshake, or not at all.
    if (leaf !== undefined) return verifier.verify(leaf, clock())
    return clientCertificate === 'optional' ? anonymity : certificateMissing
  }

  #accept(server: Server, socket: TLSSocket, peer: ConnectionPeer | null): void {
    const { connections, counters } = this.#parts
    bindPeer(socket, peer)
    connections.add(socket, peer)
    counters.accepted++
    if (peer === null) return
    // Node says false, because OpenSSL was given nothing to verify with; other libraries look here.
    socket.authorized = true
    if (!peerVerified.hasSubscribers) return
    const event = { side: 'server', server, peer } as const
    peerVerified.publish(Object.freeze<PeerVerifiedEvent>(event))
  }

  #reject(
    server: Server,
    socket: TLSSocket,
    { code, message }: Reason,
    leaf?: X509Certificate,
  ): void {
    const remoteAddress = socket.remoteAddress
    socket.destroy()
    this.#parts.counters.rejected++
    if (!peerRejected.hasSubscribers) return
    const isTold = this.#messages.take(this.#parts.clock(), code)
    const said = isTold
      ? { message, claimedSpiffeId: claimedSpiffeId(leaf) }
      : { message: null, claimedSpiffeId: null }
    const event = { side: 'server', server, code, remoteAddress, ...said } as const
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

const failure = (error: unknown): Reason => ({
  code: 'internal-error',
  message: error instanceof Error ? error.message : 'a listener threw something that is no error',
})
