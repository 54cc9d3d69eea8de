import { channel } from 'node:diagnostics_channel'
import type { FederationErrorCode } from './errors.ts'
import type { BundleOrigin, FollowedTrustDomain } from './status.ts'

/** `spiffe:federation:updated`: another bundle of a trust domain is held, or none any more. */
export interface FederationUpdatedEvent {
  /** The name of the trust domain. */
  readonly trustDomain: string
  /** Where the bundle came from; `null` when the trust domain is followed no more. */
  readonly origin: BundleOrigin | null
  readonly sequence: bigint | null
  /** How many X.509 authorities it has. */
  readonly x509Authorities: number
  /** How many JWT authorities it has. */
  readonly jwtAuthorities: number
}

/**
 * `spiffe:federation:failed`: a fetch failed, a stored bundle was ignored, or a bundle was not stored. The bundle that is
 * held stays in use.
 */
export interface FederationFailedEvent {
  readonly trustDomain: string
  readonly code: FederationErrorCode
  /** What happened. Without secrets. */
  readonly message: string
  /** How many fetches have failed since the last one that did not. */
  readonly failures: number
}

/** `spiffe:federation:recovered`: a fetch succeeded after others had failed. */
export interface FederationRecoveredEvent {
  readonly trustDomain: string
  /** How many had failed. */
  readonly failures: number
}

const updated = channel('spiffe:federation:updated')
const failed = channel('spiffe:federation:failed')
const recovered = channel('spiffe:federation:recovered')

/** Publishes that another bundle is held. */
export function publishUpdate(status: FollowedTrustDomain): void {
  const { trustDomain, origin, sequence, x509Authorities, jwtAuthorities } = status
  const counts = { sequence, x509Authorities, jwtAuthorities }
  updated.publish(
    Object.freeze<FederationUpdatedEvent>({ trustDomain: trustDomain.name, origin, ...counts }),
  )
}

/** Publishes that a trust domain is followed no more. */
export function publishEnd(trustDomain: string): void {
  const counts = { sequence: null, x509Authorities: 0, jwtAuthorities: 0 }
  updated.publish(Object.freeze<FederationUpdatedEvent>({ trustDomain, origin: null, ...counts }))
}

/** Publishes a failure. */
export function publishFailure(event: FederationFailedEvent): void {
  failed.publish(Object.freeze({ ...event }))
}

/** Publishes the end of a row of failures. */
export function publishRecovery(event: FederationRecoveredEvent): void {
  recovered.publish(Object.freeze({ ...event }))
}
