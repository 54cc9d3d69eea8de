import { BundleSet, type Bundle, type JwtBundle, type TrustDomain } from '@fastify-spiffe/spiffe'

/** The bundles of all trust domains that are followed, by kind. */
export class FederatedBundles {
  #x509: BundleSet
  #jwt: BundleSet<JwtBundle>

  constructor(bundles: readonly Bundle[]) {
    this.#x509 = BundleSet.of(...bundles.map(({ x509 }) => x509))
    this.#jwt = BundleSet.of(...bundles.map(({ jwt }) => jwt))
  }

  get x509(): BundleSet {
    return this.#x509
  }

  get jwt(): BundleSet<JwtBundle> {
    return this.#jwt
  }

  /** Puts a bundle in the place of the one of its trust domain. Returns whether its authorities differ. */
  hold({ trustDomain, x509, jwt }: Bundle): boolean {
    // The same object as long as nothing changes, so that nothing is verified again.
    const isNewX509 = this.#x509.get(trustDomain)?.equals(x509) !== true
    const isNewJwt = this.#jwt.get(trustDomain)?.equals(jwt) !== true
    if (isNewX509) this.#x509 = this.#x509.with(x509)
    if (isNewJwt) this.#jwt = this.#jwt.with(jwt)
    return isNewX509 || isNewJwt
  }

  /** Ends the trust in a trust domain. */
  drop(trustDomain: TrustDomain): void {
    this.#x509 = this.#x509.without(trustDomain)
    this.#jwt = this.#jwt.without(trustDomain)
  }
}
