import type { BundleSet } from '@fastify-spiffe/spiffe'

/** Returns whether an authority of `before` is no longer in the bundle of its trust domain in `after`. */
export function losesAuthority(before: BundleSet, after: BundleSet): boolean {
  return (
    before !== after &&
    [...before].some(({ trustDomain, authorities }) => {
      const bundle = after.get(trustDomain)
      return authorities.some((authority) => bundle?.has(authority) !== true)
    })
  )
}
