import { channel } from 'node:diagnostics_channel'

import type { JwtSvid, SourceState } from '@fastify-spiffe/spiffe'

import type { WorkloadApiError, WorkloadApiErrorCode } from '../errors.ts'
import type { TokenRequest } from '../messages/jwt-svids.ts'
import type { Problem } from '../messages/parsed-message.ts'
import type {
  BundleUpdatedEvent,
  RejectedEvent,
  SourceProblemEvent,
  SourceStateEvent,
} from './events.ts'
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
    const trustDomains = [...after.bundles].map(({ trustDomain }) => trustDomain.name)
    const event: BundleUpdatedEvent = { endpoint, trustDomains: Object.freeze(trustDomains) }
    bundleUpdated.publish(Object.freeze(event))
  }
  if (before.state !== after.state) {
    const event: SourceStateEvent = {
      endpoint,
      state: after.state,
      previousState: before.state,
      code: after.error?.code ?? null,
    }
    sourceState.publish(Object.freeze(event))
  }
}

/** Publishes a problem of a source. */
export function publishJwtProblem(
  endpoint: string,
  state: SourceState,
  { code, message }: WorkloadApiError,
): void {
  const event: SourceProblemEvent = { endpoint, state, code, message }
  sourceProblem.publish(Object.freeze(event))
}

/** Publishes that a message, or a part of one, was not used. */
export function publishJwtRejection(endpoint: string, { part, error }: Problem): void {
  const { code, message } = error
  const event: RejectedEvent = { endpoint, code, message }
  const target = part === 'svid' ? svidRejected : bundleRejected
  target.publish(Object.freeze(event))
}

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
