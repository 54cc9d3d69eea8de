import {
  Bundle,
  BundleSet,
  type JwtBundle,
  type TrustDomain,
  type X509Bundle,
} from '@fastify-spiffe/spiffe'
import { AuthorityError } from '../errors.ts'
import type { Bundles } from '../workload/workload.ts'

/** Something with bundles that change; an `Authority` is one. */
export interface BundlePublisher {
  readonly bundle: X509Bundle
  /** Where its JWT bundle is. Without it, JWT-SVIDs of the trust domain are not verified. */
  readonly jwt?: { readonly bundle: JwtBundle }
  onUpdate(listener: () => void): () => void
}

/** Bundles of one foreign trust domain. */
interface ForeignBundles {
  readonly x509: X509Bundle
  readonly jwt: JwtBundle | undefined
}

interface Relationship {
  readonly bundles: () => ForeignBundles
  readonly end: () => void
}

/** The foreign trust domains whose bundles the workloads get, each followed as it changes. */
export class Federation {
  readonly #own: TrustDomain
  readonly #onChange: () => void
  readonly #relationships = new Map<string, Relationship>()

  constructor(own: TrustDomain, onChange: () => void) {
    this.#own = own
    this.#onChange = onChange
  }

  /** What workloads get: the own bundles and those of the foreign trust domains. */
  withOwn(bundle: X509Bundle, own: JwtBundle): Bundles {
    const foreign = [...this.#relationships.values()].map(({ bundles }) => bundles())
    const jwt = foreign.flatMap((each) => each.jwt ?? [])
    return {
      bundle,
      federatedBundles: foreign.map(({ x509 }) => x509),
      jwtBundles: BundleSet.of(own, ...jwt),
    }
  }

  /** @throws {@link AuthorityError} `own-trust-domain` */
  add(foreign: BundlePublisher | X509Bundle | Bundle): void {
    const { trustDomain } = 'bundle' in foreign ? foreign.bundle : foreign
    if (trustDomain.equals(this.#own)) {
      throw new AuthorityError(
        'own-trust-domain',
        `${trustDomain.name} is this authority's own trust domain; it cannot federate with itself`,
      )
    }
    this.#relationships.get(trustDomain.name)?.end()
    this.#relationships.set(trustDomain.name, this.#follow(foreign))
    this.#onChange()
  }

  remove(trustDomain: TrustDomain): void {
    const relationship = this.#relationships.get(trustDomain.name)
    if (relationship === undefined) return
    relationship.end()
    this.#relationships.delete(trustDomain.name)
    this.#onChange()
  }

  close(): void {
    for (const { end } of this.#relationships.values()) end()
  }

  #follow(foreign: BundlePublisher | X509Bundle | Bundle): Relationship {
    if (!('bundle' in foreign)) {
      const bundles =
        foreign instanceof Bundle
          ? { x509: foreign.x509, jwt: foreign.jwt }
          : { x509: foreign, jwt: undefined }
      return { bundles: () => bundles, end: () => {} }
    }
    let bundles = bundlesOf(foreign)
    const end = foreign.onUpdate(() => {
      // Two authorities that federate with each other would otherwise notify each other without end.
      const next = bundlesOf(foreign)
      if (isSame(bundles, next)) return
      bundles = next
      this.#onChange()
    })
    return { bundles: () => bundles, end }
  }
}

function bundlesOf({ bundle, jwt }: BundlePublisher): ForeignBundles {
  return { x509: bundle, jwt: jwt?.bundle }
}

function isSame(one: ForeignBundles, other: ForeignBundles): boolean {
  const isSameJwt =
    one.jwt === other.jwt || (other.jwt !== undefined && one.jwt?.equals(other.jwt) === true)
  return isSameJwt && one.x509.equals(other.x509)
}
