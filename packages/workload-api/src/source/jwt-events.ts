import { channel } from 'node:diagnostics_channel'

import type { JwtSvid } from '@fastify-spiffe/spiffe'
import {
  problemPublisher,
  publishBundles,
  publishState,
  rejectionPublisher,
} from '@fastify-spiffe/spiffe/internal'
import type { ProblemPublisher, RejectionPublisher } from '@fastify-spiffe/spiffe/internal'

import type { WorkloadApiError, WorkloadApiErrorCode } from '../errors.ts'
import type { TokenRequest } from '../messages/jwt-svids.ts'
import type { JwtSnapshot } from './jwt-snapshot.ts'

/** `spiffe:jwt-svid:updated`: the Workload API issued a token to this workload. The token is not in it. */
export interface JwtSvidUpdatedEvent {
  /** The address of the Workload API. */
  readonly endpoint: string
  readonly svid: {
    readonly spiffeId: string
    readonly audience: readonly string[]
    /** Milliseconds since the epoch. */
    readonly expiresAt: number
    readonly hint: string
  }
}

/** `spiffe:jwt-svid:fetch-failed`: a token could not be fetched or renewed. One that is valid stays in use. */
export interface JwtSvidFetchFailedEvent {
  readonly endpoint: string
  /** Which identity was asked for; `null`: the default one. */
  readonly spiffeId: string | null
  readonly audience: readonly string[]
  readonly code: WorkloadApiErrorCode
  readonly message: string
}

const sourceState = channel('spiffe:jwt-source:state')
const sourceProblem = channel('spiffe:jwt-source:problem')
const svidUpdated = channel('spiffe:jwt-svid:updated')
const svidRejected = channel('spiffe:jwt-svid:rejected')
const fetchFailed = channel('spiffe:jwt-svid:fetch-failed')
const bundleUpdated = channel('spiffe:jwt-bundle:updated')
const bundleRejected = channel('spiffe:jwt-bundle:rejected')

/** Publishes what differs between two snapshots. */
export function publishJwtChanges(endpoint: string, before: JwtSnapshot, after: JwtSnapshot): void {
  if (before.bundles !== after.bundles) {
    publishBundles(bundleUpdated, endpoint, after.bundles)
  }
  if (before.state !== after.state) publishState(sourceState, endpoint, before, after)
}

/** Publishes a problem of a source. */
export const publishJwtProblem: ProblemPublisher = problemPublisher(sourceProblem)

/** Publishes that a message, or a part of one, was not used. */
export const publishJwtRejection: RejectionPublisher = rejectionPublisher(
  svidRejected,
  bundleRejected,
)

/** Publishes tokens that were issued. */
export function publishJwtSvids(endpoint: string, svids: readonly JwtSvid[]): void {
  if (!svidUpdated.hasSubscribers) return
  for (const { spiffeId, audience, expiresAt, hint } of svids) {
    const svid = Object.freeze({ spiffeId: spiffeId.toString(), audience, expiresAt, hint })
    svidUpdated.publish(Object.freeze({ endpoint, svid } satisfies JwtSvidUpdatedEvent))
  }
}

/** Publishes that a token could not be fetched. */
export function publishFetchFailure(
  endpoint: string,
  { spiffeId, audience }: TokenRequest,
  { code, message }: WorkloadApiError,
): void {
  const event: JwtSvidFetchFailedEvent = {
    endpoint,
    spiffeId: spiffeId?.toString() ?? null,
    audience,
    code,
    message,
  }
  fetchFailed.publish(Object.freeze(event))
}
