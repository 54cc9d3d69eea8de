import { channel, type Channel } from 'node:diagnostics_channel'
import type { Server } from 'node:tls'
import type { SpiffeId } from '@fastify-spiffe/spiffe'

/** `spiffe:server:svid-applied`: a server presents this SVID from its next handshake on. */
export interface SvidAppliedEvent {
  readonly server: Server
  readonly spiffeId: SpiffeId
  /** In lower-case hexadecimal without leading zeros. */
  readonly serialNumber: string
  /** In ms since the epoch. */
  readonly notBefore: number
  /** In ms since the epoch. */
  readonly notAfter: number
  /** How many SVIDs the server has presented, this one included. */
  readonly generation: number
  /** In ms since the epoch. */
  readonly appliedAt: number
}

/** `spiffe:server:svid-refused`: an SVID could not be applied; the server keeps presenting the one before. */
export interface SvidRefusedEvent {
  readonly server: Server
  readonly spiffeId: SpiffeId
  readonly code: 'invalid-material'
  readonly message: string
  /** The generation that the server keeps presenting. */
  readonly generation: number
}

/** `spiffe:server:svid-withdrawn`: a server has no valid SVID any more, so that new handshakes fail. */
export interface SvidWithdrawnEvent {
  readonly server: Server
  /** The SPIFFE ID of the SVID that the server presented until now. */
  readonly spiffeId: SpiffeId
  /** The generation of that SVID. */
  readonly generation: number
}

export const svidApplied: Channel = channel('spiffe:server:svid-applied')
export const svidRefused: Channel = channel('spiffe:server:svid-refused')
export const svidWithdrawn: Channel = channel('spiffe:server:svid-withdrawn')
