import { SpiffeError } from '../errors.ts'
import type { TrustDomain } from '../id/spiffe-id.ts'
import type { X509Bundle } from '../x509/bundle.ts'

/** What a {@link BundleSet} holds for each trust domain: an `X509Bundle`, a `JwtBundle` or a `Bundle`. */
export interface TrustDomainBundle {
  readonly trustDomain: TrustDomain
  equals(other: this): boolean
}

/**
 * The bundles that are held, one for each trust domain and never merged (SPIFFE
 * Federation §4.2). All are of one kind. Immutable: {@link with} and {@link without} return another set.
 */
export class BundleSet<B extends TrustDomainBundle = X509Bundle> implements Iterable<B> {
  /** A set without X.509 bundles. */
  static readonly empty: BundleSet = new BundleSet(new Map())

  readonly #bundles: ReadonlyMap<string, B>

  private constructor(bundles: ReadonlyMap<string, B>) {
    this.#bundles = bundles
    Object.freeze(this)
  }

  /** @throws {@link SpiffeError} `duplicate-trust-domain` */
  static of<Each extends TrustDomainBundle = X509Bundle>(...bundles: Each[]): BundleSet<Each> {
    const byName = new Map<string, Each>()
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

  get(trustDomain: TrustDomain): B | undefined {
    return this.#bundles.get(trustDomain.name)
  }

  /** This set with `bundle` in the place of the one of its trust domain. */
  with(bundle: B): BundleSet<B> {
    return new BundleSet(new Map(this.#bundles).set(bundle.trustDomain.name, bundle))
  }

  /** This set without the bundle of that trust domain. */
  without(trustDomain: TrustDomain): BundleSet<B> {
    const bundles = new Map(this.#bundles)
    return bundles.delete(trustDomain.name) ? new BundleSet(bundles) : this
  }

  /** This set, with those bundles of `fallback` whose trust domains have none here. */
  orElse(fallback: BundleSet<B>): BundleSet<B> {
    if (fallback.size === 0) return this
    const bundles = new Map(fallback.#bundles)
    for (const [name, bundle] of this.#bundles) bundles.set(name, bundle)
    return new BundleSet(bundles)
  }

  [Symbol.iterator](): Iterator<B> {
    return this.#bundles.values()
  }

  /** Whether both hold equal bundles for the same trust domains. */
  equals(other: BundleSet<B>): boolean {
    if (this.size !== other.size) return false
    return [...this].every((bundle) => {
      const counterpart = other.get(bundle.trustDomain)
      return counterpart !== undefined && bundle.equals(counterpart)
    })
  }

  toJSON(): readonly B[] {
    return [...this]
  }
}
