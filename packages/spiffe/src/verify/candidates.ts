import type { X509Bundle } from '../x509/bundle.ts'
import type { Certificate } from '../x509/certificate.ts'

/** A certificate that has the name of the issuer. */
export interface Candidate {
  readonly certificate: Certificate
  readonly isAnchor: boolean
}

/** How many groups {@link IssuerCandidates.of} makes. */
export const RANKS = 6

/** What may have issued a certificate: the authorities of the bundle and what was sent, by name. */
export class IssuerCandidates {
  readonly #bundle: X509Bundle
  readonly #sent = new Map<string, Certificate[]>()

  constructor(bundle: X509Bundle, sent: readonly Certificate[]) {
    this.#bundle = bundle
    for (const certificate of sent) {
      const namesakes = this.#sent.get(certificate.subject.key) ?? []
      if (namesakes.some((other) => other.equals(certificate))) continue
      namesakes.push(certificate)
      this.#sent.set(certificate.subject.key, namesakes)
    }
  }

  /**
   * Everything that has the name of the issuer of `child`, in {@link RANKS} groups, best first.
   *
   * Key identifiers only order them, authorities before others: they are no proof, and a mismatch is
   * no disproof (RFC 5280 §4.2.1.1).
   */
  of(child: Certificate): readonly (readonly Candidate[])[] {
    const groups: Candidate[][] = Array.from({ length: RANKS }, () => [])
    const keyId = child.extensions.authorityKeyId?.value
    const add = (certificate: Certificate, isAnchor: boolean): void => {
      groups[rank(certificate, isAnchor, keyId)]!.push({ certificate, isAnchor })
    }
    for (const anchor of this.#bundle.named(child.issuer)) add(anchor, true)
    for (const other of this.#sent.get(child.issuer.key) ?? []) add(other, false)
    return groups
  }
}

function rank(issuer: Certificate, isAnchor: boolean, keyId: string | undefined): number {
  const own = issuer.extensions.subjectKeyId?.value
  const byOrigin = isAnchor ? 0 : 1
  if (own === undefined || keyId === undefined) return 2 + byOrigin
  return own === keyId ? byOrigin : 4 + byOrigin
}
