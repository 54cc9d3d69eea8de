import { BundleSet, type JwtBundle, type TrustDomainBundle } from '@fastify-spiffe/spiffe'
import { FileSourceError } from '../errors.ts'
import type { BundlePart } from './parse-bundles.ts'

/** The bundles of both kinds. */
export interface Bundles {
  readonly x509: BundleSet
  readonly jwt: BundleSet<JwtBundle>
}

/**
 * Puts together what the files have, by trust domain. Bundles are never merged: of each kind there is one. A file that has
 * no authorities of a kind, such as a JSON Web Key Set without any for X.509-SVIDs, gives way to one that has some.
 *
 * @throws {@link FileSourceError} `conflicting-bundles`
 */
export function collect(parts: readonly BundlePart[]): Bundles {
  return {
    x509: setOf(parts.map(({ x509 }) => x509)),
    jwt: setOf(parts.flatMap(({ jwt }) => jwt ?? [])),
  }
}

interface WithAuthorities extends TrustDomainBundle {
  readonly authorities: readonly unknown[]
}

function setOf<B extends WithAuthorities>(bundles: readonly B[]): BundleSet<B> {
  let set = BundleSet.of<B>()
  for (const bundle of bundles) {
    const known = set.get(bundle.trustDomain)
    if (known === undefined || known.authorities.length === 0) set = set.with(bundle)
    else if (bundle.authorities.length > 0 && !known.equals(bundle)) throw conflict(bundle)
  }
  return set
}

function conflict({ trustDomain }: TrustDomainBundle): FileSourceError {
  return new FileSourceError(
    'conflicting-bundles',
    `two files have different bundles of ${trustDomain.name}: name one, or put both in one file`,
  )
}
