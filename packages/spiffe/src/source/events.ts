import { channel } from 'node:diagnostics_channel'
import type { Channel } from 'node:diagnostics_channel'

import type { BundleSet, TrustDomainBundle } from '../bundle/bundle-set.ts'
import type { X509Svid } from '../svid/x509-svid.ts'
import type { SourceProblem, SourceState } from './source.ts'

/** `spiffe:source:state`: a source went from one state to another. */
export interface SourceStateEvent {
  /** The `endpoint` of the source: the address of its supply. */
  readonly endpoint: string
  readonly state: SourceState
  readonly previousState: SourceState
  /** Why it is not `ready`, when that is known: a code of the errors of the source. */
  readonly code: string | null
}

/** `spiffe:source:problem`: why a source is not ready, each code once until it is ready again. */
export interface SourceProblemEvent {
  readonly endpoint: string
  readonly state: SourceState
  readonly code: string
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
  readonly code: string
  readonly message: string
}

/** Publishes a problem of a source. */
export type ProblemPublisher = (
  endpoint: string,
  state: SourceState,
  problem: SourceProblem,
) => void

/** Something that came, and was not used. */
export interface RejectedPart {
  readonly part: 'svid' | 'bundle'
  readonly error: SourceProblem
}

/** Publishes that something that came was not used. */
export type RejectionPublisher = (endpoint: string, rejected: RejectedPart) => void

/** What is published of a source. */
export interface PublishedSnapshot {
  readonly state: SourceState
  readonly svid: X509Svid | null
  readonly bundles: BundleSet
  readonly error: SourceProblem | null
}

const sourceState = channel('spiffe:source:state')
const sourceProblem = channel('spiffe:source:problem')
const svidUpdated = channel('spiffe:svid:updated')
const svidRejected = channel('spiffe:svid:rejected')
const bundleUpdated = channel('spiffe:bundle:updated')
const bundleRejected = channel('spiffe:bundle:rejected')

/** Publishes what differs between two snapshots. */
export function publishChanges(
  endpoint: string,
  before: PublishedSnapshot,
  after: PublishedSnapshot,
): void {
  if (before.bundles !== after.bundles) publishBundles(bundleUpdated, endpoint, after.bundles)
  if (before.svid !== after.svid) {
    svidUpdated.publish(
      Object.freeze({ endpoint, svid: describe(after) } satisfies SvidUpdatedEvent),
    )
  }
  if (before.state !== after.state) publishState(sourceState, endpoint, before, after)
}

/** Publishes a problem of a source. */
export const publishProblem: ProblemPublisher = problemPublisher(sourceProblem)

/** Publishes that something that came was not used. */
export const publishRejection: RejectionPublisher = rejectionPublisher(svidRejected, bundleRejected)

/** Publishes the bundles that a source has now. */
export function publishBundles(
  target: Channel,
  endpoint: string,
  bundles: BundleSet<TrustDomainBundle>,
): void {
  const trustDomains = [...bundles].map(({ trustDomain }) => trustDomain.name)
  const event: BundleUpdatedEvent = { endpoint, trustDomains: Object.freeze(trustDomains) }
  target.publish(Object.freeze(event))
}

/** Publishes that a source went from one state to another. */
export function publishState(
  target: Channel,
  endpoint: string,
  { state: previousState }: Pick<PublishedSnapshot, 'state'>,
  { state, error }: Pick<PublishedSnapshot, 'error' | 'state'>,
): void {
  const event: SourceStateEvent = { endpoint, state, previousState, code: error?.code ?? null }
  target.publish(Object.freeze(event))
}

/** What publishes the problems of a source on a channel. */
export function problemPublisher(target: Channel): ProblemPublisher {
  return (endpoint, state, { code, message }) => {
    const event: SourceProblemEvent = { endpoint, state, code, message }
    target.publish(Object.freeze(event))
  }
}

/** What publishes the rejections of SVIDs on one channel, and those of bundles on another. */
export function rejectionPublisher(svids: Channel, bundles: Channel): RejectionPublisher {
  return (endpoint, { part, error: { code, message } }) => {
    const event: RejectedEvent = { endpoint, code, message }
    const target = part === 'svid' ? svids : bundles
    target.publish(Object.freeze(event))
  }
}

function describe({ svid }: PublishedSnapshot): SvidUpdatedEvent['svid'] {
  if (svid === null) return null
  const { spiffeId, leaf, notBefore, notAfter, hint } = svid
  const { serialNumber } = leaf
  return Object.freeze({ spiffeId: spiffeId.toString(), serialNumber, notBefore, notAfter, hint })
}
