import type { TrustDomain } from '../id/spiffe-id.ts'
import { SpiffeError } from '../errors.ts'
import type { X509Bundle } from './bundle.ts'

/**
 * The bundles that are held, one for each trust domain and never merged (SPIFFE Trust Domain and
 * Bundle §4.2). Immutable: {@link with} and {@link without} return another set.
 */
export class BundleSet implements Iterable<X509Bundle> {
  static readonly empty: BundleSet = new BundleSet(new Map())

  readonly #bundles: ReadonlyMap<string, X509Bundle>

  private constructor(bundles: ReadonlyMap<string, X509Bundle>) {
    this.#bundles = bundles
    Object.freeze(this)
  }

  /** @throws {@link SpiffeError} `duplicate-trust-domain` */
  static of(...bundles: X509Bundle[]): BundleSet {
    const byName = new Map<string, X509Bundle>()
    for (const bundle of bundles) {
      const { name } = bundle.trustDomain
      if (byName.has(name)) {
        throw new SpiffeError('duplicate-trust-domain', `two bundles of the trust domain ${name}`)
      }
      byName.set(name, bundle)
    }
    return new BundleSet(byName)
  }

  get size(): number {
    return this.#bundles.size
  }

  get(trustDomain: TrustDomain): X509Bundle | undefined {
    return this.#bundles.get(trustDomain.name)
  }

  /** This set with `bundle` in the place of the one of its trust domain. */
  with(bundle: X509Bundle): BundleSet {
    return new BundleSet(new Map(this.#bundles).set(bundle.trustDomain.name, bundle))
  }

  /** This set without the bundle of that trust domain. */
  without(trustDomain: TrustDomain): BundleSet {
    const bundles = new Map(this.#bundles)
    return bundles.delete(trustDomain.name) ? new BundleSet(bundles) : this
  }

  [Symbol.iterator](): Iterator<X509Bundle> {
    return this.#bundles.values()
  }

  /** Whether both hold equal bundles for the same trust domains. */
  equals(other: BundleSet): boolean {
    if (this.size !== other.size) return false
    return [...this].every((bundle) => other.get(bundle.trustDomain)?.equals(bundle) === true)
  }

  toJSON(): readonly X509Bundle[] {
    return [...this]
  }
}
