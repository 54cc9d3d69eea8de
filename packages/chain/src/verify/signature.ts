import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import type { Certificate } from '@fastify-spiffe/spiffe'
import { JWS_HASHES, jwsAlgorithmOf } from '@fastify-spiffe/spiffe/internal'
import type { ChainRefusalCode } from '../refusal.ts'
import type { HopToken } from '../wire/token.ts'

// As long as the verdict on the certificate: making a key costs as much as a signature check.
const keys = new WeakMap<Certificate, KeyObject>()

/** Why the key of a certificate can have made no signature such as this one; `null`: it can. No signature is checked. */
export function keyRefusal(token: HopToken, leaf: Certificate): ChainRefusalCode | null {
  const algorithm = jwsAlgorithmOf(leaf.publicKey)
  if (algorithm === null) return 'chain-key-unsupported'
  const octets = algorithm === 'ES256' ? 64 : 96
  // RFC 8725 §3.1: the key decides, and the token has to say the same.
  if (token.alg !== algorithm || token.signature.length !== octets) return 'chain-algorithm'
  return null
}

/** Whether the key of a certificate made the signature. {@link keyRefusal} comes before. */
export function isSignedBy(token: HopToken, leaf: Certificate): boolean {
  const algorithm = jwsAlgorithmOf(leaf.publicKey)
  if (algorithm === null) return false
  try {
    const key = { key: keyOf(leaf), dsaEncoding: 'ieee-p1363' } as const
    const data = Buffer.from(token.signingInput, 'latin1')
    return verify(JWS_HASHES[algorithm], data, key, token.signature)
  } catch {
    // OpenSSL does not take the key, such as a point that is not on its curve.
    return false
  }
}

function keyOf(leaf: Certificate): KeyObject {
  const known = keys.get(leaf)
  if (known !== undefined) return known
  const key = createPublicKey({
    key: Buffer.from(leaf.publicKey.spki),
    format: 'der',
    type: 'spki',
  })
  keys.set(leaf, key)
  return key
}
