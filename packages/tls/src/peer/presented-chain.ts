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

type PlainCertificate = PeerCertificate | DetailedPeerCertificate

/**
 * The same of the plain objects that Node hands to `checkServerIdentity`: what was sent, and the authority behind it, which
 * names itself as its issuer.
 *
 * @param leaf - what `plain` holds, parsed
 */
export function chainOfPlainCertificates(
  leaf: X509Certificate,
  plain: PlainCertificate,
): readonly X509Certificate[] {
  const chain = [leaf]
  const seen = new Set<object>([plain])
  let next = issuerOf(plain)
  while (next?.raw !== undefined && !seen.has(next) && chain.length < MAX_CERTIFICATES) {
    seen.add(next)
    chain.push(new X509Certificate(next.raw))
    next = issuerOf(next)
  }
  return chain
}

function issuerOf(plain: PlainCertificate): PlainCertificate | undefined {
  return 'issuerCertificate' in plain ? plain.issuerCertificate : undefined
}
