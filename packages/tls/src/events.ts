import { channel, type Channel } from 'node:diagnostics_channel'
import type { Server } from 'node:tls'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { ConnectionPeer } from './peer/connection-peer.ts'
import type { RejectionCode } from './peer/rejection.ts'
import type { LapseReason } from './peer/standing.ts'

/** `spiffe:server:svid-applied`: a server presents this SVID from its next handshake on. */
export interface SvidAppliedEvent {
  readonly server: Server
  readonly spiffeId: SpiffeId
  readonly serialNumber: string
  readonly notBefore: number
  readonly notAfter: number
  readonly generation: number
  readonly appliedAt: number
}

/** `spiffe:server:svid-refused`: an SVID could not be applied; the one before it keeps serving. */
export interface SvidRefusedEvent {
  readonly server: Server
  readonly spiffeId: SpiffeId
  readonly code: 'invalid-material'
  readonly message: string
  /** The generation that keeps serving. */
  readonly generation: number
}

/** `spiffe:server:svid-withdrawn`: the source has no SVID any more; new handshakes fail. */
export interface SvidWithdrawnEvent {
  readonly server: Server
  readonly spiffeId: SpiffeId
  readonly generation: number
}

/** `spiffe:peer:verified`: a connection has a proven peer. */
export interface PeerVerifiedEvent {
  readonly side: 'server' | 'client'
  /** The server that accepted the peer; `null` on the side of a client. */
  readonly server: Server | null
  readonly peer: ConnectionPeer
}

/** `spiffe:peer:rejected`: a connection was cut because its peer proved nothing. */
export interface PeerRejectedEvent {
  readonly side: 'server' | 'client'
  /** The server that cut the peer; `null` on the side of a client. */
  readonly server: Server | null
  readonly code: RejectionCode | 'server-not-allowed'
  /**
   * On a server ten a second carry their reason, so that an attacker does not fill the log; a code that
   * has had none in that second has one even then, at the expense of the next.
   */
  readonly message: string | null
  readonly remoteAddress: string | undefined
  /**
   * The SPIFFE ID that the peer's certificate claims, **verified by nobody**: printable ASCII, everything
   * else escaped, and at most 256 characters. `null` where it claims none, and with `message`.
   * For the eyes of operators: never decide by it, nor make a metric label of it.
   */
  readonly claimedSpiffeId: string | null
}

/**
 * Why a client's TLS handshake failed.
 *
 * - `tls-version`: it speaks no TLS version that the server does.
 * - `plain-http`: it spoke HTTP without TLS.
 * - `not-tls`: it sent something else that is no TLS.
 * - `no-application-protocol`: no protocol in common (ALPN), such as HTTP/2.
 * - `no-shared-cipher`: no cipher suite, group or signature algorithm in common.
 * - `handshake-timeout`: it did not finish within `handshakeTimeoutMs`.
 * - `no-svid`: the server has none to present.
 * - `client-gone`: it hung up, as port checks do, and clients that do not trust the server.
 * - `tls-error`: anything else.
 */
export type HandshakeFailureCode =
  | 'tls-version'
  | 'plain-http'
  | 'not-tls'
  | 'no-application-protocol'
  | 'no-shared-cipher'
  | 'handshake-timeout'
  | 'no-svid'
  | 'client-gone'
  | 'tls-error'

/** `spiffe:server:handshake-failed`: a client got no TLS connection, and so has no certificate to speak of. */
export interface HandshakeFailedEvent {
  readonly server: Server
  readonly code: HandshakeFailureCode
  /** Cause and cure; ten a second carry one, together with `spiffe:peer:rejected`. */
  readonly message: string | null
  readonly remoteAddress: string | undefined
}

/**
 * `spiffe:peer:lapsed`: what a peer proved no longer holds. Its connections are on their way out: those
 * whose `peerOf` is this very `peer`. Told once for a peer, before the first of them is ended.
 */
export interface PeerLapsedEvent {
  readonly server: Server
  readonly peer: ConnectionPeer
  readonly reason: LapseReason
}

export const svidApplied: Channel = channel('spiffe:server:svid-applied')
export const svidRefused: Channel = channel('spiffe:server:svid-refused')
export const svidWithdrawn: Channel = channel('spiffe:server:svid-withdrawn')
export const handshakeFailed: Channel = channel('spiffe:server:handshake-failed')
export const peerVerified: Channel = channel('spiffe:peer:verified')
export const peerRejected: Channel = channel('spiffe:peer:rejected')
export const peerLapsed: Channel = channel('spiffe:peer:lapsed')
