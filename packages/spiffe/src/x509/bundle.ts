import type { TrustDomain } from '../id/spiffe-id.ts'
import { describeCause } from '../describe.ts'
import { SpiffeError } from '../errors.ts'
import type { Certificate } from './certificate.ts'
import { latin1 } from './bytes.ts'
import { readPemCertificates, splitCertificates } from './certificates.ts'
import type { Name } from './name.ts'
import type { RevocationList } from './revocation-list.ts'

/**
 * The X.509 authorities of one trust domain: what its SVIDs, and no others, are verified against
 * (SPIFFE Trust Domain and Bundle §4). Immutable.
 *
 * Any certificate in it is an anchor, self-signed or not. It may be empty: then every SVID of the
 * trust domain is refused.
 *
 * It also carries the revocation lists of the trust domain's authorities and intermediates. Being in
 * the bundle proves no list: it counts for the certificates of the key that signed it.
 */
export class X509Bundle {
  readonly trustDomain: TrustDomain
  /** In the order given, each once. */
  readonly authorities: readonly Certificate[]
  /** The latest first, each once. */
  readonly revocationLists: readonly RevocationList[]
  readonly #bySubject: ReadonlyMap<string, readonly Certificate[]>
  readonly #listsByIssuer: ReadonlyMap<string, readonly RevocationList[]>
  // Their octets: a bundle may hold a thousand authorities of one name.
  readonly #octets: ReadonlySet<string>

  private constructor(
    trustDomain: TrustDomain,
    authorities: readonly Certificate[],
    revocationLists: readonly RevocationList[],
  ) {
    const distinct: Certificate[] = []
    const bySubject = new Map<string, Certificate[]>()
    const octets = new Set<string>()
    for (const authority of authorities) {
      const known = octets.size
      if (octets.add(latin1(authority.raw)).size === known) continue
      const namesakes = bySubject.get(authority.subject.key) ?? []
      namesakes.push(authority)
      bySubject.set(authority.subject.key, namesakes)
      distinct.push(authority)
    }
    this.trustDomain = trustDomain
    this.authorities = Object.freeze(distinct)
    this.revocationLists = Object.freeze(latestFirst(revocationLists))
    this.#bySubject = bySubject
    this.#listsByIssuer = byIssuer(this.revocationLists)
    this.#octets = octets
    Object.freeze(this)
  }

  static of(
    trustDomain: TrustDomain,
    authorities: readonly Certificate[],
    revocationLists: readonly RevocationList[] = [],
  ): X509Bundle {
    return new X509Bundle(trustDomain, authorities, revocationLists)
  }

  /**
   * Reads concatenated DER, as the Workload API sends it; no octets at all are an empty bundle.
   * @throws {@link SpiffeError} `invalid-bundle`, with the reason as its cause
   */
  static fromDer(trustDomain: TrustDomain, der: Uint8Array): X509Bundle {
    return X509Bundle.#read(trustDomain, () => splitCertificates(der))
  }

  /**
   * Reads the certificates of a PEM file, which has at least one; other blocks in it are passed over.
   * @throws {@link SpiffeError} `invalid-bundle`, with the reason as its cause
   */
  static fromPem(trustDomain: TrustDomain, pem: string | Uint8Array): X509Bundle {
    return X509Bundle.#read(trustDomain, () => readPemCertificates(pem))
  }

  static #read(trustDomain: TrustDomain, read: () => Certificate[]): X509Bundle {
    try {
      return new X509Bundle(trustDomain, read(), [])
    } catch (cause) {
      const reason = describeCause(cause)
      const message = `the bundle of ${trustDomain.name} cannot be read: ${reason}`
      throw new SpiffeError('invalid-bundle', message, { cause })
    }
  }

  /** Whether the certificate, octet for octet, is one of the authorities. */
  has(certificate: Certificate): boolean {
    return this.#octets.has(latin1(certificate.raw))
  }

  /**
   * The authorities of that name: there may be several, and only a signature distinguishes them.
   */
  named(subject: Name): readonly Certificate[] {
    return this.#bySubject.get(subject.key) ?? []
  }

  /**
   * The revocation lists of that name, the latest first; only a signature shows which key made
   * them.
   */
  revocationListsOf(issuer: Name): readonly RevocationList[] {
    return this.#listsByIssuer.get(issuer.key) ?? []
  }

  /** This bundle with other revocation lists in the place of those that it has. */
  withRevocationLists(revocationLists: readonly RevocationList[]): X509Bundle {
    return new X509Bundle(this.trustDomain, this.authorities, revocationLists)
  }

  /** Whether both are the same authorities and revocation lists, in any order, of the same trust domain. */
  equals(other: X509Bundle): boolean {
    return (
      this === other ||
      (this.trustDomain.equals(other.trustDomain) &&
        this.authorities.length === other.authorities.length &&
        this.authorities.every((authority) => other.has(authority)) &&
        this.#hasListsOf(other))
    )
  }

  toJSON(): Record<string, unknown> {
    const { trustDomain, authorities, revocationLists } = this
    return { trustDomain, authorities, revocationLists }
  }

  #hasListsOf({ revocationLists }: X509Bundle): boolean {
    return (
      this.revocationLists.length === revocationLists.length &&
      this.revocationLists.every((list) => revocationLists.some((other) => other.equals(list)))
    )
  }
}

function byIssuer(
  lists: readonly RevocationList[],
): ReadonlyMap<string, readonly RevocationList[]> {
  const groups = new Map<string, RevocationList[]>()
  for (const list of lists) {
    const group = groups.get(list.issuer.key)
    if (group === undefined) groups.set(list.issuer.key, [list])
    else group.push(list)
  }
  return groups
}

function latestFirst(lists: readonly RevocationList[]): RevocationList[] {
  const distinct: RevocationList[] = []
  for (const list of lists) {
    if (!distinct.some((known) => known.equals(list))) distinct.push(list)
  }
  return distinct.toSorted(
    // RFC 5280 §5.2.3: the number distinguishes those of the same second.
    (one, other) =>
      other.thisUpdate - one.thisUpdate || Math.sign(Number(other.number - one.number)),
  )
}
