import { channel, type Channel } from 'node:diagnostics_channel'
import type { TransportFailureCode } from './transport/transport.ts'
import type { OcspRefusalCode } from './verify/refusal.ts'

/**
 * Why an answer was not taken: no answer came, it was refused by the verifier, or
 *
 * - `certificate-unknown`: the responder does not know the certificate.
 * - `older-answer`: the answer is older than the one that is held.
 */
export type RefreshFailureCode =
  | TransportFailureCode
  | OcspRefusalCode
  | 'certificate-unknown'
  | 'older-answer'

/** Which certificate an event is about. */
export interface OcspCertificate {
  /** In lower-case hexadecimal without leading zeros. */
  readonly serialNumber: string
  /** SHA-256 of the DER, `AA:BB:…`. */
  readonly fingerprint256: string
  /** Whether the certificate demands a staple (RFC 7633). */
  readonly mustStaple: boolean
}

/** `spiffe:ocsp:refreshed`: an answer was taken. */
export interface OcspRefreshedEvent extends OcspCertificate {
  readonly status: 'good' | 'revoked'
  /** In ms since the epoch. */
  readonly thisUpdate: number
  /** In ms since the epoch. */
  readonly nextUpdate: number
  /** `store`: the answer was kept over a restart. */
  readonly origin: 'responder' | 'store'
}

/** `spiffe:ocsp:refresh-failed`: no answer was taken; what is held stays in use. */
export interface OcspRefreshFailedEvent extends OcspCertificate {
  readonly code: RefreshFailureCode
  readonly message: string
  /** How many refreshes have failed in a row. */
  readonly failures: number
  /** Until when there is a staple, in ms since the epoch; `null`: there is none. */
  readonly stapledUntil: number | null
}

/** `spiffe:ocsp:revoked`: the issuer has revoked a certificate that the server presents. */
export interface OcspRevokedEvent extends OcspCertificate {
  /** In ms since the epoch. */
  readonly revokedAt: number
  /** As RFC 5280 §5.3.1 names it, such as `keyCompromise`; `null`: the responder does not say. */
  readonly cause: string | null
}

/** `spiffe:ocsp:staple-lost`: from now on the server staples nothing for a certificate. */
export interface OcspStapleLostEvent extends OcspCertificate {}

/** `spiffe:ocsp:not-followed`: the server presents a certificate that no staple can be had for. */
export interface OcspNotFollowedEvent {
  /** The code of an `OcspError`. */
  readonly code: string
  readonly message: string
}

/** `spiffe:ocsp:store-failed`: the file of an answer could not be read or written. Nothing else changes. */
export interface OcspStoreFailedEvent extends OcspCertificate {
  readonly operation: 'read' | 'write'
  /** How Node names the failure, such as `ENOSPC`. */
  readonly cause: string
}

export const refreshed: Channel = channel('spiffe:ocsp:refreshed')
export const refreshFailed: Channel = channel('spiffe:ocsp:refresh-failed')
export const revoked: Channel = channel('spiffe:ocsp:revoked')
export const stapleLost: Channel = channel('spiffe:ocsp:staple-lost')
export const notFollowed: Channel = channel('spiffe:ocsp:not-followed')
export const storeFailed: Channel = channel('spiffe:ocsp:store-failed')
