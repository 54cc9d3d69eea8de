import { SpiffeError } from '../errors.ts'
import type { TrustDomain } from '../id/spiffe-id.ts'
import { atOnce } from '../steps.ts'
import type { Jwk } from './jwk.ts'
import { readingBundle, readJwkSet } from './jwk-set.ts'
import { JwtAuthority } from './jwt-authority.ts'

/**
 * The JWT authorities of one trust domain: what its JWT-SVIDs, and no others, are verified with. Immutable.
 *
 * It may be empty: then every JWT-SVID of the trust domain is refused.
 */
export class JwtBundle {
  readonly trustDomain: TrustDomain
  /** In the order given, each once. */
  readonly authorities: readonly JwtAuthority[]
  readonly #byKeyId: ReadonlyMap<string, JwtAuthority>

  private constructor(trustDomain: TrustDomain, authorities: Iterable<JwtAuthority>) {
    const byKeyId = new Map<string, JwtAuthority>()
    for (const authority of authorities) {
      const namesake = byKeyId.get(authority.keyId)
      // A token names its key by the key ID alone.
      if (namesake?.equals(authority) === false) {
        throw new SpiffeError('invalid-bundle', 'two JWT authorities have the same key ID')
      }
      byKeyId.set(authority.keyId, namesake ?? authority)
    }
    this.trustDomain = trustDomain
    this.authorities = Object.freeze([...byKeyId.values()])
    this.#byKeyId = byKeyId
    Object.freeze(this)
  }

  /** @throws {@link SpiffeError} `invalid-bundle` when two authorities have the same key ID */
  static of(trustDomain: TrustDomain, authorities: Iterable<JwtAuthority>): JwtBundle {
    return new JwtBundle(trustDomain, authorities)
  }

  /**
   * Reads a JSON Web Key Set as the Workload API sends it (`JWTBundlesResponse.bundles`), of at most 4 MiB and 1000 keys. There keys
   * need not have a `use`, and SPIRE sends none; a `use` other than `jwt-svid` makes the key ignored. So do a `kty`, a
   * curve or a size that is not allowed, and an absent `kid`. For the SPIFFE bundle format: `Bundle.parse`.
   *
   * @throws {@link SpiffeError} `invalid-bundle`, with the reason as its cause: for what is not a JSON Web Key Set, a
   *   member that occurs twice, or two keys with the same `kid`
   */
  static fromJwks(trustDomain: TrustDomain, jwks: string | Uint8Array): JwtBundle {
    return readingBundle(trustDomain, () => {
      const { keys } = atOnce(readJwkSet(jwks))
      return new JwtBundle(trustDomain, authoritiesIn(keys))
    })
  }

  /** The authority with that key ID. */
  find(keyId: string): JwtAuthority | undefined {
    return this.#byKeyId.get(keyId)
  }

  /** Whether the same key with the same key ID is one of the authorities. */
  has(authority: JwtAuthority): boolean {
    return this.#byKeyId.get(authority.keyId)?.equals(authority) === true
  }

  /** Whether both are the same authorities, in any order, of the same trust domain. */
  equals(other: JwtBundle): boolean {
    if (this === other) return true
    return (
      this.trustDomain.equals(other.trustDomain) &&
      this.authorities.length === other.authorities.length &&
      this.authorities.every((authority) => other.has(authority))
    )
  }

  /** The JSON Web Key Set as SPIRE sends it: without `use`. */
  toJwks(): string {
    return JSON.stringify({ keys: this.authorities.map(({ jwk }) => jwk) })
  }

  toJSON(): Record<string, unknown> {
    const { trustDomain, authorities } = this
    return { trustDomain, authorities }
  }
}

function authoritiesIn(keys: readonly Jwk[]): JwtAuthority[] {
  return keys
    .filter(({ use }) => use === undefined || use === 'jwt-svid')
    .map((key) => JwtAuthority.read(key))
    .filter((read) => read instanceof JwtAuthority)
}
