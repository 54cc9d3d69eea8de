import { constants, verify, type KeyObject, type X509Certificate } from 'node:crypto'
import type { SubjectPublicKey } from './public-key.ts'
import type { SignatureAlgorithm } from './signature-algorithm.ts'

/** A certificate or a revocation list, as far as its signature is concerned. */
export interface Signed {
  /** The octets that are signed, DER. */
  readonly signed: Uint8Array
  readonly signature: Uint8Array
  /** `undefined` when it is not on the list of allowed ones. */
  readonly signatureAlgorithm: SignatureAlgorithm | undefined
}

/** A certificate, as far as its key is concerned. */
export interface Issuer {
  readonly publicKey: SubjectPublicKey
  readonly x509: X509Certificate
}

/** Whether the key of `issuer` made the signature, in an allowed way and with a key of the right kind. Never throws. */
export function isSignedByKeyOf(
  issuer: Issuer,
  { signatureAlgorithm, signed, signature }: Signed,
): boolean {
  if (signatureAlgorithm?.keyType !== issuer.publicKey.type) return false
  if (signatureAlgorithm === undefined || issuer.publicKey.weakness !== undefined) return false
  try {
    return isSignature(signature, signed, signatureAlgorithm, issuer.x509.publicKey)
  } catch {
    // OpenSSL does not take the key, such as a point that is not on its curve.
    return false
  }
}

/**
 * Whether `signature` over `signed` is by `key`. The octets and the algorithm are those that were
 * read and judged here: the certificate is not read a second time in between.
 */
export function isSignature(
  signature: Uint8Array,
  signed: Uint8Array,
  algorithm: SignatureAlgorithm,
  key: KeyObject,
): boolean {
  const { hash, saltBytes } = algorithm
  if (saltBytes === undefined) return verify(hash, signed, key, signature)
  // RFC 8017 §8.1.2 1: as long as the modulus. For PSS OpenSSL takes one without its leading zeros, too.
  const { modulusLength = Number.NaN } = key.asymmetricKeyDetails ?? {}
  if (signature.length !== Math.ceil(modulusLength / 8)) return false
  const padding = constants.RSA_PKCS1_PSS_PADDING
  return verify(hash, signed, { key, padding, saltLength: saltBytes }, signature)
}
