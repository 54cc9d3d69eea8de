import type { TrustDomain, X509Bundle } from '@fastify-spiffe/spiffe'
import { AuthorityError } from '../errors.ts'

/** Something with a bundle that changes; an `Authority` is one. */
export interface BundlePublisher {
  readonly bundle: X509Bundle
  onUpdate(listener: () => void): () => void
}

interface Relationship {
  readonly bundle: () => X509Bundle
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

  get bundles(): X509Bundle[] {
    return [...this.#relationships.values()].map(({ bundle }) => bundle())
  }

  /** @throws {@link AuthorityError} `own-trust-domain` */
  add(foreign: BundlePublisher | X509Bundle): void {
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

  #follow(foreign: BundlePublisher | X509Bundle): Relationship {
    if (!('bundle' in foreign)) return { bundle: () => foreign, end: () => {} }
    let bundle = foreign.bundle
    const end = foreign.onUpdate(() => {
      // Two authorities that federate with each other would otherwise notify each other without end.
      if (foreign.bundle.equals(bundle)) return
      bundle = foreign.bundle
      this.#onChange()
    })
    return { bundle: () => bundle, end }
  }
}
