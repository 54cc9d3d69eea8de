import { X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls'

// One more than the verifier accepts, so that it sees and refuses a chain that is too long. A TLS
// message holds fewer.
const MAX_CERTIFICATES = 513

/**
 * The certificates as the peer sent them, leaf first. `issuerCertificate` means "the next one sent"
 * here and proves nothing. On Node versions that lose the chain, only the leaf is left.
 */
export function presentedChain(leaf: X509Certificate): readonly X509Certificate[] {
  const chain = [leaf]
  let next = leaf.issuerCertificate
  while (next !== undefined && chain.length < MAX_CERTIFICATES) {
    chain.push(next)
    next = next.issuerCertificate
  }
  return chain
}

/**
 * The same of the plain objects that Node hands to `checkServerIdentity`: what was sent, and the authority behind it, which
 * names itself as its issuer.
 */
export function chainOfPlainCertificates(
  leaf: PeerCertificate | DetailedPeerCertificate,
): readonly X509Certificate[] {
  const chain: X509Certificate[] = []
  const seen = new Set<object>()
  let next: PeerCertificate | DetailedPeerCertificate | undefined = leaf
  while (next?.raw !== undefined && !seen.has(next) && chain.length < MAX_CERTIFICATES) {
    seen.add(next)
    chain.push(new X509Certificate(next.raw))
    next = 'issuerCertificate' in next ? next.issuerCertificate : undefined
  }
  return chain
}
