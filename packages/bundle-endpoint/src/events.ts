import { channel, type Channel } from 'node:diagnostics_channel'

/** `spiffe:bundle-endpoint:published`: from now on this bundle is served. */
export interface BundlePublishedEvent {
  /** The name of the own trust domain. */
  readonly trustDomain: string
  readonly sequence: bigint
  /** How many X.509 authorities the bundle has. */
  readonly x509Authorities: number
  /** How many JWT authorities the bundle has. */
  readonly jwtAuthorities: number
  /** The size of the body, in bytes. */
  readonly bytes: number
}

/**
 * Why no bundle can be served.
 *
 * - `no-bundle`: the source has no X.509 bundle of the own trust domain.
 * - `no-jwt-bundle`: the source of JWT authorities has none of the own trust domain yet.
 * - `source-ended`: a source is `denied`, `failed` or `closed`: what it holds may be old.
 * - `foreign-svid`: the SVID of the source is now one of another trust domain.
 * - `unusable-authority`: an authority has a key that cannot be written as a JSON Web Key.
 * - `too-large`: the bundle has more than `maxBytes` bytes.
 */
export type WithheldReason =
  | 'no-bundle'
  | 'no-jwt-bundle'
  | 'source-ended'
  | 'foreign-svid'
  | 'unusable-authority'
  | 'too-large'

/** `spiffe:bundle-endpoint:withheld`: from now on no bundle is served; requests get 503. */
export interface BundleWithheldEvent {
  /** The name of the own trust domain. */
  readonly trustDomain: string
  readonly reason: WithheldReason
}

/** `spiffe:bundle-endpoint:sequence-not-stored`: the sequence file could not be written. The bundle is served anyway. */
export interface SequenceNotStoredEvent {
  /** The name of the own trust domain. */
  readonly trustDomain: string
  readonly sequence: bigint
  /** How Node names the failure, such as `ENOSPC`. */
  readonly cause: string
}

export const published: Channel = channel('spiffe:bundle-endpoint:published')
export const withheld: Channel = channel('spiffe:bundle-endpoint:withheld')
export const sequenceNotStored: Channel = channel('spiffe:bundle-endpoint:sequence-not-stored')
