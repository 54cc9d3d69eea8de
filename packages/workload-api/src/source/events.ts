import { channel } from 'node:diagnostics_channel'

import type { SourceState } from '@fastify-spiffe/spiffe'

import type { WorkloadApiErrorCode } from '../errors.ts'
import type { Problem } from '../messages/parsed-message.ts'
import { compare } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'

/** `spiffe:source:state`: a source went from one state to another. */
export interface SourceStateEvent {
  /** The address of the Workload API. */
  readonly endpoint: string
  readonly state: SourceState
  readonly previousState: SourceState
  /** Why it is not `ready`, when that is known. */
  readonly code: WorkloadApiErrorCode | null
}

/** `spiffe:source:problem`: why a source is not ready, each code once until it is ready again. */
export interface SourceProblemEvent {
  readonly endpoint: string
  readonly state: SourceState
  readonly code: WorkloadApiErrorCode
  /** What happened, and the cure. */
  readonly message: string
}

/** `spiffe:svid:updated`: there is another SVID to present; `null` when there is none any more. */
export interface SvidUpdatedEvent {
  readonly endpoint: string
  readonly svid: {
    readonly spiffeId: string
    readonly serialNumber: string
    /** Milliseconds since the epoch, like `notAfter`. */
    readonly notBefore: number
    readonly notAfter: number
    readonly hint: string
  } | null
}

/** `spiffe:bundle:updated`: the bundles are not what they were. */
export interface BundleUpdatedEvent {
  readonly endpoint: string
  /** The trust domains that have a bundle now. */
  readonly trustDomains: readonly string[]
}

/** `spiffe:svid:rejected`, `spiffe:bundle:rejected`: something that came was not used. */
export interface RejectedEvent {
  readonly endpoint: string
  readonly code: WorkloadApiErrorCode
  readonly message: string
}

const sourceState = channel('spiffe:source:state')
const sourceProblem = channel('spiffe:source:problem')
const svidUpdated = channel('spiffe:svid:updated')
const svidRejected = channel('spiffe:svid:rejected')
const bundleUpdated = channel('spiffe:bundle:updated')
const bundleRejected = channel('spiffe:bundle:rejected')

/** Publishes what differs between two snapshots. */
export function publishChanges(endpoint: string, before: Snapshot, after: Snapshot): void {
  const changes = compare(before, after)
  if (changes.bundles) {
    const trustDomains = [...after.bundles].map(({ trustDomain }) => trustDomain.name)
    const event: BundleUpdatedEvent = { endpoint, trustDomains: Object.freeze(trustDomains) }
    bundleUpdated.publish(Object.freeze(event))
  }
  if (changes.svid) {
    svidUpdated.publish(
      Object.freeze({ endpoint, svid: describe(after) } satisfies SvidUpdatedEvent),
    )
  }
  if (changes.state) {
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
export function publishProblem(
  endpoint: string,
  state: SourceState,
  { code, message }: { readonly code: WorkloadApiErrorCode; readonly message: string },
): void {
  sourceProblem.publish(
    Object.freeze({ endpoint, state, code, message } satisfies SourceProblemEvent),
  )
}

/** Publishes that a message, or a part of one, was not used. */
export function publishRejection(endpoint: string, { part, error }: Problem): void {
  const { code, message } = error
  const target = part === 'svid' ? svidRejected : bundleRejected
  target.publish(Object.freeze({ endpoint, code, message } satisfies RejectedEvent))
}

function describe({ svid }: Snapshot): SvidUpdatedEvent['svid'] {
  if (svid === null) return null
  const { spiffeId, leaf, notBefore, notAfter, hint } = svid
  const { serialNumber } = leaf
  return Object.freeze({ spiffeId: spiffeId.toString(), serialNumber, notBefore, notAfter, hint })
}
