import { BundleSet } from '@fastify-spiffe/spiffe'
import type { JwtBundle, JwtSvid, SourceState } from '@fastify-spiffe/spiffe'

import type { WorkloadApiError } from '../errors.ts'
import { keepEqual } from './keep-equal.ts'

/** What a JWT source holds at one time. The functions of this file are its transitions. */
export interface JwtSnapshot {
  readonly state: SourceState
  readonly bundles: BundleSet<JwtBundle>
  /** Why the source is not `ready`, as far as that is known. */
  readonly error: WorkloadApiError | null
}

/** How every source starts. */
export const JWT_STARTING: JwtSnapshot = Object.freeze({
  state: 'starting',
  bundles: BundleSet.of<JwtBundle>(),
  error: null,
})

/** A good message replaces everything that was held (Workload API §4: a message is a complete state). */
export function acceptBundles(held: JwtSnapshot, bundles: BundleSet<JwtBundle>): JwtSnapshot {
  return { state: 'ready', bundles: keepEqual(held.bundles, bundles), error: null }
}

/** After a discarded message or an ended stream, the bundles stay, but they may be old. */
export function interruptBundles(held: JwtSnapshot, error: WorkloadApiError | null): JwtSnapshot {
  // Workload API §6.2.2: after PermissionDenied the redacted bundles are not used any more.
  if (error?.code === 'no-identity') {
    return { state: 'denied', bundles: JWT_STARTING.bundles, error }
  }
  const state = held.state === 'ready' ? 'stale' : held.state
  return { ...held, state, error: error ?? held.error }
}

/** Whether the authority that signed an own token was in the bundle before an update, and is not after it. */
export function hasLeft(
  before: BundleSet<JwtBundle>,
  after: BundleSet<JwtBundle>,
): (svid: JwtSvid) => boolean {
  return ({ spiffeId: { trustDomain }, keyId }) => {
    const authority = keyId === undefined ? undefined : before.get(trustDomain)?.find(keyId)
    return authority !== undefined && after.get(trustDomain)?.has(authority) !== true
  }
}
