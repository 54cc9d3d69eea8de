import { channel, type Channel } from 'node:diagnostics_channel'
import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { ConnectionPeer } from './peer/connection-peer.ts'
import type { RejectionCode } from './peer/rejection.ts'

/** `spiffe:svid:updated`: a server presents this SVID from its next handshake on. */
export interface SvidUpdatedEvent {
  readonly spiffeId: SpiffeId
  readonly serialNumber: string
  readonly notBefore: number
  readonly notAfter: number
  readonly generation: number
  readonly appliedAt: number
}

/** `spiffe:svid:rejected`: an SVID could not be applied; the one before it, if any, keeps serving. */
export interface SvidRejectedEvent {
  readonly spiffeId: SpiffeId | null
  readonly code: 'invalid-material'
  readonly message: string
  /** The generation that keeps serving. */
  readonly generation: number
}

/** `spiffe:svid:withdrawn`: the source has no SVID any more; new handshakes fail. */
export interface SvidWithdrawnEvent {
  readonly spiffeId: SpiffeId
  readonly generation: number
}

/** `spiffe:peer:verified`: a connection has a proven peer. */
export interface PeerVerifiedEvent {
  readonly side: 'server' | 'client'
  readonly peer: ConnectionPeer
}

/** `spiffe:peer:rejected`: a connection was cut because its peer proved nothing. */
export interface PeerRejectedEvent {
  readonly side: 'server' | 'client'
  readonly code: RejectionCode | 'server-not-allowed'
  /** At most ten a second carry their reason: an attacker must not fill the log. */
  readonly message: string | null
  readonly remoteAddress: string | undefined
}

export const svidUpdated: Channel = channel('spiffe:svid:updated')
export const svidRejected: Channel = channel('spiffe:svid:rejected')
export const svidWithdrawn: Channel = channel('spiffe:svid:withdrawn')
export const peerVerified: Channel = channel('spiffe:peer:verified')
export const peerRejected: Channel = channel('spiffe:peer:rejected')
