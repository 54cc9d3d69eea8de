import type { X509Bundle } from '../x509/bundle.ts'
import type { Certificate } from '../x509/certificate.ts'

/** A certificate that has the name of the issuer. */
export interface Candidate {
  readonly certificate: Certificate
  readonly isAnchor: boolean
}

/**
 * Everything that may have issued `child`: the authorities of the bundle and the certificates that
 * were sent, by name. Key identifiers only order them, best first, authorities before others: they
 * are no proof, and a mismatch is no disproof (RFC 5280 §4.2.1.1).
 */
export function issuerCandidates(
  child: Certificate,
  sent: readonly Certificate[],
  bundle: X509Bundle,
): readonly Candidate[] {
  const anchors = bundle.named(child.issuer)
  const others = sent.filter(
    (certificate) =>
      certificate.subject.equals(child.issuer) &&
      !anchors.some((anchor) => anchor.equals(certificate)),
  )
  const candidates = [
    ...anchors.map((certificate) => ({ certificate, isAnchor: true })),
    ...others.map((certificate) => ({ certificate, isAnchor: false })),
  ]
  if (candidates.length < 2) return candidates
  const keyId = child.extensions.authorityKeyId?.value
  return candidates.toSorted((one, other) => rank(one, keyId) - rank(other, keyId))
}

function rank({ certificate }: Candidate, keyId: string | undefined): number {
  const own = certificate.extensions.subjectKeyId?.value
  if (own === undefined || keyId === undefined) return 1
  return own === keyId ? 0 : 2
}
