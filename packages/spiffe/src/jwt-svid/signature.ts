import { constants, verify, type SigningOptions } from 'node:crypto'
import type { JwtAuthority } from '../bundle/jwt-authority.ts'
import type { JwtSvidAlgorithm } from './algorithms.ts'
import type { CompactParts } from './compact-jwt.ts'

/** The signature of a token, and what it is of. */
export interface TokenSignature {
  readonly algorithm: JwtSvidAlgorithm
  readonly signed: Buffer
  readonly octets: Buffer
}

interface Scheme {
  readonly hash: string
  readonly options: SigningOptions
  /** Of a signature; RSA has as many as the modulus, which OpenSSL checks. */
  readonly octets?: number
}

const { RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING } = constants
/** RFC 7518 §3.3. */
const PKCS1: SigningOptions = { padding: RSA_PKCS1_PADDING }
/** RFC 7518 §3.5: MGF1 with the same hash, and a salt as long as the digest. */
const PSS: SigningOptions = {
  padding: RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
}
/** RFC 7518 §3.4: R and S, each as long as the order of the curve. */
const CONCATENATED: SigningOptions = { dsaEncoding: 'ieee-p1363' }

const SCHEMES: Readonly<Record<JwtSvidAlgorithm, Scheme>> = {
  RS256: { hash: 'sha256', options: PKCS1 },
  RS384: { hash: 'sha384', options: PKCS1 },
  RS512: { hash: 'sha512', options: PKCS1 },
  PS256: { hash: 'sha256', options: PSS },
  PS384: { hash: 'sha384', options: PSS },
  PS512: { hash: 'sha512', options: PSS },
  ES256: { hash: 'sha256', options: CONCATENATED, octets: 64 },
  ES384: { hash: 'sha384', options: CONCATENATED, octets: 96 },
  ES512: { hash: 'sha512', options: CONCATENATED, octets: 132 },
}

/** RFC 7515 §5.2: the octets of the signature, and those of the two other parts as they were sent. */
export function signatureOf(
  { header, claims, signature }: CompactParts,
  algorithm: JwtSvidAlgorithm,
): TokenSignature {
  const signed = Buffer.from(`${header}.${claims}`, 'latin1')
  return { algorithm, signed, octets: Buffer.from(signature, 'base64url') }
}

/**
 * Whether a key made the signature. The key fits the algorithm: its type and curve were compared before. OpenSSL checks
 * it in a thread of Node's pool, because a check with P-521 takes two milliseconds.
 */
export async function isSignedBy(
  authority: JwtAuthority,
  { algorithm, signed, octets }: TokenSignature,
): Promise<boolean> {
  const scheme = SCHEMES[algorithm]
  if (scheme.octets !== undefined && octets.length !== scheme.octets) return false
  return new Promise((resolve) => {
    try {
      const key = { key: authority.publicKey, ...scheme.options }
      verify(scheme.hash, signed, key, octets, (error, isGood) => resolve(error ? false : isGood))
    } catch {
      // A key that OpenSSL does not take has signed nothing.
      resolve(false)
    }
  })
}
