import { channel, type Channel } from 'node:diagnostics_channel'
import type { Server } from 'node:tls'
import type { RejectionCode } from '../rejection.ts'
import type { ConnectionPeer } from './connection-peer.ts'
import type { LapseReason } from './trust-status.ts'

/** `spiffe:peer:verified`: a connection has a proven peer. */
export interface PeerVerifiedEvent {
  readonly side: 'server' | 'client'
  /** The server that accepted the peer; `null` on the side of a client. */
  readonly server: Server | null
  readonly peer: ConnectionPeer
}

/** `spiffe:peer:rejected`: a connection was destroyed because its peer has proven no SPIFFE ID, or the wrong one. */
export interface PeerRejectedEvent {
  readonly side: 'server' | 'client'
  /** The server that rejected the peer; `null` on the side of a client. */
  readonly server: Server | null
  readonly code: RejectionCode | 'server-not-allowed'
  /**
   * Why, for operators. A server gives a message to ten events a second, so that an attacker does not
   * fill the log, and to the first event of each code in a second beyond that; otherwise `null`.
   */
  readonly message: string | null
  readonly remoteAddress: string | undefined
  /**
   * The SPIFFE ID that the peer's certificate claims, **verified by nobody**: printable ASCII, everything
   * else escaped, and at most 256 characters. `null` when it claims none, or on a server when `message`
   * is `null`. For operators to read: do not decide by it, and do not use it as a metric label.
   */
  readonly claimedSpiffeId: string | null
}

/**
 * `spiffe:peer:lapsed`: the proof of a peer is no longer valid, and the server closes its connections:
 * those whose `peerOf` is this very `peer`. Published once for each peer, before its first connection
 * is closed.
 */
export interface PeerLapsedEvent {
  readonly server: Server
  readonly peer: ConnectionPeer
  readonly reason: LapseReason
}

export const peerVerified: Channel = channel('spiffe:peer:verified')
export const peerRejected: Channel = channel('spiffe:peer:rejected')
export const peerLapsed: Channel = channel('spiffe:peer:lapsed')
