import type { X509Certificate } from 'node:crypto'

// One more than the verifier takes, so that it sees (and refuses) a chain that is too long. What fits into a message of TLS
// is fewer.
const MAX_CERTIFICATES = 513

/**
 * The certificates as the peer sent them, leaf first. `issuerCertificate` means "the next one
 * sent" here and proves nothing. Node versions that lose the chain leave the leaf alone.
 */
export const sentChain = (leaf: X509Certificate): readonly X509Certificate[] => {
  const chain = [leaf]
  let next = leaf.issuerCertificate
  while (next !== undefined && chain.length < MAX_CERTIFICATES) {
    chain.push(next)
    next = next.issuerCertificate
  }
  return chain
}
