import {
  JwtBundle,
  type JwtBundleSource,
  type Source,
  type TrustDomain,
  type X509Bundle,
  type X509BundleSource,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import type { WithheldReason } from './events.ts'

/** A source of X.509 bundles. If it has an SVID, that says which trust domain is the own one. */
export interface OwnBundleSource extends X509BundleSource {
  readonly svid?: X509Svid | null
}

/** Where the parts of the own bundle come from. */
export interface BundleSources {
  readonly trustDomain: TrustDomain
  readonly source: OwnBundleSource
  /** `null`: the bundle has no JWT authorities. */
  readonly jwtSource: JwtBundleSource | null
}

/** The parts of the own bundle, or why there is none to publish. */
export type OwnBundle =
  | { readonly kind: 'bundle'; readonly x509: X509Bundle; readonly jwt: JwtBundle }
  | { readonly kind: 'withheld'; readonly reason: WithheldReason }

/**
 * Reads the bundle of the own trust domain; those of other trust domains are never looked at. A part that is missing
 * withholds the whole: without it, the bundle would withdraw the authorities of that part at all who fetch it.
 */
export function readOwnBundle({ trustDomain, source, jwtSource }: BundleSources): OwnBundle {
  if (hasEnded(source)) return withhold('source-ended')
  const { svid = null } = source
  if (svid !== null && !svid.spiffeId.trustDomain.equals(trustDomain)) {
    return withhold('foreign-svid')
  }
  const x509 = source.bundles.get(trustDomain)
  if (x509 === undefined) return withhold('no-bundle')
  if (jwtSource === null) return { kind: 'bundle', x509, jwt: JwtBundle.of(trustDomain, []) }
  if (hasEnded(jwtSource)) return withhold('source-ended')
  const jwt = jwtSource.jwtBundles.get(trustDomain)
  return jwt === undefined ? withhold('no-jwt-bundle') : { kind: 'bundle', x509, jwt }
}

/** An interrupted supply leaves the last good state in use; one that has ended may hold what was revoked long ago. */
function hasEnded({ state }: Source): boolean {
  return state === 'denied' || state === 'failed' || state === 'closed'
}

function withhold(reason: WithheldReason): OwnBundle {
  return { kind: 'withheld', reason }
}
