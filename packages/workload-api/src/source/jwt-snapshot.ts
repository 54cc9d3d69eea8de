import { BundleSet } from '@fastify-spiffe/spiffe'
import { keepEqual } from '@fastify-spiffe/spiffe/internal'
import type { JwtBundle, JwtSvid, SourceState } from '@fastify-spiffe/spiffe'

import type { WorkloadApiError } from '../errors.ts'

/** What a JWT source holds at one time. The functions of this file are its transitions. */
export interface JwtSnapshot {
  readonly state: SourceState
  readonly bundles: BundleSet<JwtBundle>
  /** When they came, in milliseconds since the epoch. */
  readonly receivedAt: number
  /** Why the source is not `ready`, as far as that is known. */
  readonly error: WorkloadApiError | null
}

/** How every source starts. */
export const JWT_STARTING: JwtSnapshot = Object.freeze({
  state: 'starting',
  bundles: BundleSet.of<JwtBundle>(),
  receivedAt: -Infinity,
  error: null,
})

/** A good message replaces everything that was held (Workload API §4: a message is a complete state). */
export function acceptBundles(
  held: JwtSnapshot,
  bundles: BundleSet<JwtBundle>,
  receivedAt: number,
): JwtSnapshot {
  return { state: 'ready', bundles: keepEqual(held.bundles, bundles), receivedAt, error: null }
}

/** After a discarded message or an ended stream, the bundles stay, but they may be old. */
export function interruptBundles(held: JwtSnapshot, error: WorkloadApiError | null): JwtSnapshot {
  // Workload API §6.2.2: after PermissionDenied the redacted bundles are not used any more.
  if (error?.code === 'no-identity') {
    return { ...JWT_STARTING, state: 'denied', error }
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

/**
 * Whether the authority that signed an own token has left the bundle: the token is older than the bundle, which does not
 * have it. Agents keep tokens, and may give one that no peer accepts any more. One that is younger may be of an authority
 * that is yet to come.
 */
export function isOfGoneAuthority(
  { spiffeId, keyId, issuedAt }: JwtSvid,
  { bundles, receivedAt }: JwtSnapshot,
): boolean {
  const bundle = bundles.get(spiffeId.trustDomain)
  if (bundle === undefined || keyId === undefined || issuedAt === undefined) return false
  // `iat` is in whole seconds.
  return bundle.find(keyId) === undefined && issuedAt + 1_000 < receivedAt
}
