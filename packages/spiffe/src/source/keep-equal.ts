import { BundleSet, type TrustDomainBundle } from '../bundle/bundle-set.ts'

/** The new bundles, where each equal one keeps its object, so that no peer and no token is verified again for it. */
export function keepEqual<B extends TrustDomainBundle>(
  held: BundleSet<B>,
  bundles: BundleSet<B>,
): BundleSet<B> {
  if (held.equals(bundles)) return held
  const kept = [...bundles].map((bundle) => {
    const known = held.get(bundle.trustDomain)
    return known?.equals(bundle) === true ? known : bundle
  })
  return BundleSet.of(...kept)
}
