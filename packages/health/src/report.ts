import type { SourceState } from '@fastify-spiffe/spiffe'

/** What keeps a service from being ready. */
export type UnreadyReason =
  /** The server does not listen yet. */
  | 'not-listening'
  /** The service is about to end, or ends. */
  | 'ending'
  /** There is no SVID to present, so that no client gets through a handshake. */
  | 'no-svid'
  /** The SVID has expired. */
  | 'svid-expired'
  /** There is no bundle of the own trust domain. */
  | 'no-bundle'
  /** The supply has been interrupted for longer than `maxInterruptionMs`. */
  | 'interrupted-too-long'
  /** A required check of the application failed, threw, or took too long. */
  | 'check-failed'

/** What an operator should know, while the service serves on. */
export type DegradedReason =
  /** The supply of SVID and bundles is interrupted; the last good ones are in use. */
  | 'supply-interrupted'
  /** Two thirds of the life of the SVID have passed without a renewal. */
  | 'renewal-overdue'
  /** A check failed whose failure means no more than this. */
  | 'check-degraded'

/** One reason why a service is not, or not quite, as it should be. */
export interface HealthReason {
  readonly code: UnreadyReason | DegradedReason
  /** The check that says so, for `check-failed` and `check-degraded`. */
  readonly check?: string
  /** What the source reports, such as `unreachable`: a code of the error of the source. */
  readonly problem?: string
  /** Since when, in ms since the epoch, if it is known. */
  readonly since?: number
}

/** How a service is. It names no SPIFFE ID and no trust domain: anybody who reaches the port can read it. */
export interface HealthReport {
  /** `ready` and `degraded`: give it traffic. `unready`: do not. */
  readonly status: 'ready' | 'degraded' | 'unready'
  /** Those of an unready service first. */
  readonly reasons: readonly HealthReason[]
  readonly svid: {
    /** The state of the source. */
    readonly state: SourceState
    /** When the SVID expires, in ms since the epoch; `null` without an SVID. */
    readonly notAfter: number | null
    /** What is left of its life, in ms; `null` without an SVID. */
    readonly expiresInMs: number | null
  }
  readonly bundles: {
    /** How many trust domains have one. */
    readonly count: number
    /** When they came as they are now, in ms since the epoch. */
    readonly updatedAt: number
  }
}
