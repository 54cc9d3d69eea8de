import type { Bundle, TrustDomain } from '@fastify-spiffe/spiffe'
import type { EndpointProfile } from './endpoint/options.ts'
import type { FederationErrorCode } from './errors.ts'

/** Where the bundle that is held came from. */
export type BundleOrigin =
  /** The option `bundle`. */
  | 'configured'
  /** The directory. */
  | 'stored'
  /** The endpoint. */
  | 'fetched'

/** A fetch that failed, or a bundle that was not stored. */
export interface FederationFailure {
  readonly code: FederationErrorCode
  readonly message: string
  /** In ms since the epoch. */
  readonly at: number
}

/** The state of one trust domain that is followed. A snapshot: it does not change. */
export interface FollowedTrustDomain {
  readonly trustDomain: TrustDomain
  readonly url: string
  readonly profile: EndpointProfile
  /**
   * - `starting`: no fetch has ended yet.
   * - `ready`: the last fetch has brought the bundle, or found it unchanged.
   * - `stale`: the last fetch has failed. What is held stays in use.
   */
  readonly state: 'starting' | 'ready' | 'stale'
  /** The bundle that is held; `null` when there is none. */
  readonly bundle: Bundle | null
  /** Where it came from; `null` when there is none. */
  readonly origin: BundleOrigin | null
  /** The sequence of the bundle; `null` when there is none, or the publisher does not say. */
  readonly sequence: bigint | null
  /** How many X.509 authorities are held. */
  readonly x509Authorities: number
  /** How many JWT authorities are held. */
  readonly jwtAuthorities: number
  /** When a fetch last succeeded, in ms since the epoch; `null` if none has. */
  readonly lastSuccessAt: number | null
  /** The last fetch that failed; `null` if none has. */
  readonly lastFailure: FederationFailure | null
  /** How many fetches have failed since the last one that did not. */
  readonly failures: number
  /** Why the bundle is not in the directory although it should be; `null` when it is. */
  readonly storeFailure: FederationFailure | null
  /** When the next fetch is due, in ms since the epoch; `null` while one runs or waits for its turn. */
  readonly nextRefreshAt: number | null
}
