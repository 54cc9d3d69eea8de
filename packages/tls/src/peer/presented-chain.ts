import type { X509Certificate } from 'node:crypto'

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
