import { constants, verify, type KeyObject } from 'node:crypto'
import type { SignatureAlgorithm } from './signature-algorithm.ts'

/**
 * Whether `signature` over `signed` is by `key`. The octets and the algorithm are those that were
 * read and judged here: no second reading of the certificate stands in between.
 */
export function isSignature(
  signature: Uint8Array,
  signed: Uint8Array,
  algorithm: SignatureAlgorithm,
  key: KeyObject,
): boolean {
  const { hash, saltBytes } = algorithm
  if (saltBytes === undefined) return verify(hash, signed, key, signature)
  const padding = constants.RSA_PKCS1_PSS_PADDING
  return verify(hash, signed, { key, padding, saltLength: saltBytes }, signature)
}
