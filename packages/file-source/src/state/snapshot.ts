import { BundleSet, type JwtBundle, type SourceState, type X509Svid } from '@fastify-spiffe/spiffe'
import { judgeOwnSvid, keepEqual } from '@fastify-spiffe/spiffe/internal'
import { FileSourceError } from '../errors.ts'
import type { Bundles } from '../material/collect.ts'
import type { Material } from '../material/parse-material.ts'

/** All that a source of files holds at one time. The functions of this file are its transitions. */
export interface Snapshot {
  readonly state: SourceState
  /** The SVID to present. */
  readonly svid: X509Svid | null
  readonly bundles: BundleSet
  readonly jwtBundles: BundleSet<JwtBundle>
  /** Why the source is not `ready`. */
  readonly error: FileSourceError | null
  /** When an SVID that is not valid yet will be, in ms since the epoch; `Infinity`: there is none. */
  readonly validFrom: number
}

/** How every source starts. */
export const STARTING: Snapshot = Object.freeze({
  state: 'starting',
  svid: null,
  bundles: BundleSet.empty,
  jwtBundles: BundleSet.of<JwtBundle>(),
  error: null,
  validFrom: Infinity,
})

/**
 * A good set of files replaces everything that was held. Equal parts keep their objects, so that a comparison by identity
 * shows real changes only.
 *
 * While its SVID is not valid yet, the last good one stays in use, and the source is `stale`; without such a one there is
 * no SVID to present. The bundles count at once.
 *
 * @throws {@link FileSourceError} `untrusted-svid`, or `invalid-svid` for one that has expired
 */
export function accept(held: Snapshot, { svid, bundles }: Material, now: number): Snapshot {
  const wait = waitOf(svid, bundles, now)
  const next = {
    bundles: keepEqual(held.bundles, bundles.x509),
    jwtBundles: keepEqual(held.jwtBundles, bundles.jwt),
  }
  // What is held has been good: only the clock can have been set back since.
  const known = held.svid?.equals(svid) === true ? held.svid : undefined
  if (wait === null || known !== undefined) {
    return { ...next, state: 'ready', svid: known ?? svid, error: null, validFrom: Infinity }
  }
  const state = held.svid === null ? 'starting' : 'stale'
  return { ...next, state, svid: held.svid, ...wait }
}

/** After a set of files that is refused everything stays, but the state may be old. */
export function interrupt(held: Snapshot, error: FileSourceError): Snapshot {
  const state = held.state === 'ready' ? 'stale' : held.state
  return { ...held, state, error, validFrom: Infinity }
}

/**
 * The snapshot at `now`, without an SVID that has expired. The snapshot that is held keeps it, because a wrong clock may be
 * set back.
 */
export function asOf(held: Snapshot, now: number): Snapshot {
  if (held.svid === null || !held.svid.isExpired(now)) return held
  return { ...held, state: held.state === 'closed' ? 'closed' : 'expired', svid: null }
}

/** Whether listeners have to hear of the difference. */
export function differ(before: Snapshot, after: Snapshot): boolean {
  return (
    before.state !== after.state ||
    before.svid !== after.svid ||
    before.bundles !== after.bundles ||
    before.jwtBundles !== after.jwtBundles
  )
}

/** Until when the SVID has to wait, and why; `null` for one that is good now. */
function waitOf(
  svid: X509Svid,
  { x509 }: Bundles,
  now: number,
): (Pick<Snapshot, 'validFrom'> & { readonly error: FileSourceError }) | null {
  const { trustDomain } = svid.spiffeId
  const id = svid.spiffeId.toString()
  const bundle = x509.get(trustDomain)
  if (bundle === undefined) {
    const message = `no file has the bundle of ${trustDomain.name}, the trust domain of the SVID ${id}`
    throw new FileSourceError('untrusted-svid', message)
  }
  const judgement = judgeOwnSvid({ svid, bundle }, now)
  if (judgement.ok) return null
  const { refusal, validFrom } = judgement
  if (validFrom < Infinity) {
    const since = new Date(validFrom).toISOString()
    const message = `the SVID ${id} is good from ${since} on, and is used then: ${refusal.message}`
    return { validFrom, error: new FileSourceError('not-yet-valid', message) }
  }
  throw new FileSourceError(
    refusal.code === 'expired' ? 'invalid-svid' : 'untrusted-svid',
    `the SVID ${id} does not verify against the bundle of its trust domain (${refusal.code}): ${refusal.message}`,
  )
}
