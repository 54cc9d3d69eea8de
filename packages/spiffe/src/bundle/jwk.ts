import { decodeBase64Url } from '../base64.ts'
import type { JsonObject } from '../json/json-object.ts'
import type { CurveName } from '../x509/public-key.ts'
import { curveOfPoint } from './curve-point.ts'

/** A JSON Web Key (RFC 7517 §4) as it was read. */
export type Jwk = JsonObject

/** Why a key of a bundle is passed over. */
export type IgnoredKeyReason =
  /** `use` is absent, or is not one that this package knows. */
  | 'unknown-use'
  /** `kty` is not one that keys of this use have here. */
  | 'unknown-key-type'
  /** A key for JWT-SVIDs or WIT-SVIDs has no `kid`. */
  | 'no-key-id'
  /** An X.509 authority has no certificate. */
  | 'no-certificate'
  /** The first certificate of an X.509 authority cannot be read. */
  | 'invalid-certificate'
  /** The other members are another key than the certificate's (RFC 7517 §4.7). */
  | 'certificate-mismatch'
  /** The members are not a key, or one of a curve or a size that is not allowed. */
  | 'unsupported-key'
  /** It has a private part, which others may have read. */
  | 'private-key'

/** A public key that JWT-SVIDs can be signed with. */
export interface VerificationKey {
  readonly type: 'ec' | 'rsa'
  /** Of a key of type `ec`. */
  readonly curve: CurveName | undefined
  /** The members that make the key. Two keys are the same if these are. */
  readonly members: KeyMembers
}

/** RFC 7518 §6.2.1, §6.3.1. */
export type KeyMembers =
  | { readonly kty: 'EC'; readonly crv: CurveName; readonly x: string; readonly y: string }
  | { readonly kty: 'RSA'; readonly n: string; readonly e: string }

// RFC 7518 §6.2.2, §6.3.2, §6.4: of elliptic curves, of RSA, and of symmetric keys.
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

const RSA_MIN_BITS = 2048
const RSA_MAX_BITS = 8192
const RSA_MAX_EXPONENT_OCTETS = 3

/** Whether a key is not a public one alone. */
export function hasPrivatePart(jwk: Jwk): boolean {
  return PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))
}

/** Reads a key for signatures of JWT-SVIDs: RSA of 2048 to 8192 bits, P-256, P-384 or P-521. */
export function readVerificationKey(jwk: Jwk): VerificationKey | IgnoredKeyReason {
  if (hasPrivatePart(jwk)) return 'private-key'
  switch (jwk['kty']) {
    case 'EC':
      return readEc(jwk)
    case 'RSA':
      return readRsa(jwk)
    default:
      return 'unknown-key-type'
  }
}

function readEc({ crv, x, y }: Jwk): VerificationKey | IgnoredKeyReason {
  const curve = curveOfPoint(crv, octetsOf(x), octetsOf(y))
  if (curve === undefined) return 'unsupported-key'
  return { type: 'ec', curve, members: { kty: 'EC', crv: curve, x: String(x), y: String(y) } }
}

function readRsa({ n, e }: Jwk): VerificationKey | IgnoredKeyReason {
  if (!isSoundModulus(octetsOf(n)) || !isSoundExponent(octetsOf(e))) return 'unsupported-key'
  return { type: 'rsa', curve: undefined, members: { kty: 'RSA', n: String(n), e: String(e) } }
}

/** RFC 7518 §6.3.1.1: without leading zero octets, so that one key has one text. */
function isSoundModulus(modulus: Buffer): boolean {
  const first = modulus[0] ?? 0
  const bits = modulus.length * 8 - (Math.clz32(first) - 24)
  return first !== 0 && bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS && isOdd(modulus)
}

/** Odd and at least 3. */
function isSoundExponent(exponent: Buffer): boolean {
  if (exponent.length > RSA_MAX_EXPONENT_OCTETS || (exponent[0] ?? 0) === 0) return false
  return isOdd(exponent) && (exponent.length > 1 || exponent[0] !== 1)
}

function isOdd(integer: Buffer): boolean {
  return ((integer.at(-1) ?? 0) & 1) === 1
}

/** No octets for what is not exact base64url. */
export function octetsOf(value: unknown): Buffer {
  return (typeof value === 'string' ? decodeBase64Url(value) : null) ?? Buffer.alloc(0)
}
