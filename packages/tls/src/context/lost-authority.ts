import type { BundleSet } from '@fastify-spiffe/spiffe'

/** Whether an authority of `before` is gone in `after`: its trust domain has no such authority any more. */
export const losesAuthority = (before: BundleSet, after: BundleSet): boolean =>
  before !== after &&
  [...before].some(({ trustDomain, authorities }) => {
    const bundle = after.get(trustDomain)
    return authorities.some((authority) => bundle?.has(authority) !== true)
  })
