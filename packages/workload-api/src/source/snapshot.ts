import { BundleSet } from '@fastify-spiffe/spiffe'
import { keepEqual } from '@fastify-spiffe/spiffe/internal'
import type { SourceState, X509Svid } from '@fastify-spiffe/spiffe'

import { WorkloadApiError } from '../errors.ts'
import type { ParsedMessage } from '../messages/parsed-message.ts'
import type { JudgedContext, JudgedSvid, Wait } from '../messages/x509-context.ts'
import { FIRST } from './pick.ts'
import type { X509SvidPicker } from './pick.ts'

/** All that a source holds at one time. The functions of this file are its transitions. */
export interface Snapshot {
  readonly state: SourceState
  /** The SVID to present. */
  readonly svid: X509Svid | null
  readonly svids: readonly X509Svid[]
  readonly bundles: BundleSet
  /** Why the source is not `ready`, as far as that is known. */
  readonly error: WorkloadApiError | null
}

/** How every source starts. */
export const STARTING: Snapshot = Object.freeze({
  state: 'starting',
  svid: null,
  svids: Object.freeze([]),
  bundles: BundleSet.empty,
  error: null,
})

/**
 * A good message replaces everything that was held (Workload API §4: a message is a complete state).
 * Equal parts keep their objects, so that a comparison by identity shows real changes only.
 *
 * While an SVID is not valid yet, the last good one with the same SPIFFE ID and hint stays in use, and
 * the source is `stale`; without such a one there is no SVID to present. The bundles count at once.
 *
 * When `pick` chooses nothing, the workload has lost its identity, unless an SVID of the message was
 * refused: then the chosen one may be among the refused, and the message is discarded.
 *
 * @throws {@link WorkloadApiError} `no-match`, or why the SVID was refused
 */
export function accept(
  held: Snapshot,
  { value, problems }: ParsedMessage<JudgedContext>,
  pick: X509SvidPicker,
): Snapshot {
  const identities = value.svids.map((judged) => identityOf(judged, held.svids))
  const picked = choose(identities, pick)
  const bundles = keepEqual(held.bundles, value.bundles)
  const svids = usableOf(identities)
  if (picked === undefined) {
    const refused = problems.find(({ part }) => part === 'svid')
    if (refused !== undefined) throw refused.error
    const error = new WorkloadApiError('no-match', 'pick chose none of the SVIDs of this workload')
    return { state: 'denied', svid: null, svids, bundles, error }
  }
  const { usable: svid, wait } = picked
  if (wait === null) return { state: 'ready', svid, svids, bundles, error: null }
  const state = svid === null ? 'starting' : 'stale'
  return { state, svid, svids, bundles, error: wait.error }
}

/** One SVID of a message, and what may be presented for it. */
interface Identity {
  readonly svid: X509Svid
  readonly usable: X509Svid | null
  readonly wait: Wait | null
}

function identityOf({ svid, wait }: JudgedSvid, held: readonly X509Svid[]): Identity {
  // What is held already has been good: only the clock can have been set back since.
  const known = held.find((other) => other.equals(svid))
  if (known !== undefined) return { svid: known, usable: known, wait: null }
  if (wait === null) return { svid, usable: svid, wait }
  const last = held.find(
    ({ spiffeId, hint }) => spiffeId.equals(svid.spiffeId) && hint === svid.hint,
  )
  return { svid, usable: last ?? null, wait }
}

function usableOf(identities: readonly Identity[]): readonly X509Svid[] {
  return [...new Set(identities.flatMap(({ usable }) => usable ?? []))]
}

/** The default identity is the first one, valid or not. A picker sees the usable ones first, and waiting ones last. */
function choose(identities: readonly Identity[], pick: X509SvidPicker): Identity | undefined {
  if (pick === FIRST) return identities[0]
  const usable = usableOf(identities)
  const picked = usable.length === 0 ? undefined : pick(usable)
  if (picked !== undefined) return identities.find((identity) => identity.usable === picked)
  const waiting = identities.filter((identity) => identity.usable === null)
  if (waiting.length === 0) return undefined
  const later = pick(waiting.map(({ svid }) => svid))
  return waiting.find(({ svid }) => svid === later)
}

/** After a discarded message or an ended stream, everything stays, but the state may be old. */
export function interrupt(held: Snapshot, error: WorkloadApiError | null): Snapshot {
  // Workload API §5.2.1: after PermissionDenied the redacted SVIDs are not used any more.
  if (error?.code === 'no-identity') {
    return { ...held, state: 'denied', svid: null, svids: [], error }
  }
  const state = held.state === 'ready' ? 'stale' : held.state
  return { ...held, state, error: error ?? held.error }
}

/**
 * The snapshot at `now`, without an SVID that has expired. The snapshot that is held keeps it, because a
 * wrong clock may be set back.
 */
export function asOf(held: Snapshot, now: number): Snapshot {
  if (held.svid === null || !held.svid.isExpired(now)) return held
  const hasEnded = held.state === 'failed' || held.state === 'closed'
  return { ...held, state: hasEnded ? held.state : 'expired', svid: null }
}

/** After the stream has ended for good: the last SVID stays in use until it expires. */
export function fail(held: Snapshot, error: WorkloadApiError): Snapshot {
  return { ...held, state: 'failed', error }
}

/** What differs between two snapshots. */
export interface Changes {
  readonly state: boolean
  readonly svid: boolean
  readonly svids: boolean
  readonly bundles: boolean
}

export function compare(before: Snapshot, after: Snapshot): Changes {
  return {
    state: before.state !== after.state,
    svid: before.svid !== after.svid,
    svids:
      before.svids.length !== after.svids.length ||
      before.svids.some((svid, index) => svid !== after.svids[index]),
    bundles: before.bundles !== after.bundles,
  }
}
