import { Certificate, SpiffeError } from '@fastify-spiffe/spiffe'
import type { CertificateVerifier, VerifiedCertificate } from '@fastify-spiffe/tls'
import type { VerifiedHop } from '../call-chain.ts'
import { refuse, type ChainRefusal } from '../refusal.ts'
import type { ReadChain } from '../wire/headers.ts'
import type { HopToken } from '../wire/token.ts'
import { isSignedBy, keyRefusal } from './signature.ts'

/**
 * Verifies each hop: its certificate, that it names who signs, and the signature. The dear part: at most four times the
 * budget of the verifier, and four signatures.
 */
export function verifyHops(
  { tokens, certificates }: ReadChain,
  verifier: CertificateVerifier,
  now: number,
): readonly VerifiedHop[] | ChainRefusal {
  const hops: VerifiedHop[] = []
  for (const token of tokens) {
    const certificate = certificateOf(token, certificates, verifier, now)
    if (!certificate.ok) return certificate
    const { sub, aud, exp } = token.claims
    if (!certificate.spiffeId.equals(sub)) return refuse('chain-subject-mismatch')
    const code = keyRefusal(token, certificate.leaf)
    if (code !== null) return refuse(code)
    if (!isSignedBy(token, certificate.leaf)) return refuse('chain-signature')
    hops.push({ text: token.text, sub, aud, expiresAt: exp * 1000, certificate })
  }
  return hops
}

/** Sent each time, also when the verdict is known: what is accepted must not depend on what came before. */
function certificateOf(
  { thumbprint }: HopToken,
  certificates: ReadonlyMap<string, Buffer>,
  verifier: CertificateVerifier,
  now: number,
): VerifiedCertificate | ChainRefusal {
  if (!certificates.has(thumbprint)) return refuse('chain-certificate-missing')
  const known = verifier.find(thumbprint, now)
  if (known !== undefined) return known
  const chain = readChain(thumbprint, certificates)
  if (chain === null) return refuse('chain-certificate:malformed')
  const verdict = verifier.verify(thumbprint, chain, now)
  return verdict.ok ? verdict : refuse(`chain-certificate:${verdict.code}`)
}

/** The certificate of the hop, then all others as candidates for its path. */
function readChain(
  thumbprint: string,
  certificates: ReadonlyMap<string, Buffer>,
): readonly Certificate[] | null {
  try {
    const others = [...certificates].filter(([key]) => key !== thumbprint)
    const ders = [certificates.get(thumbprint)!, ...others.map(([, der]) => der)]
    return ders.map((der) => Certificate.fromDer(der))
  } catch (error) {
    if (error instanceof SpiffeError) return null
    throw error
  }
}
