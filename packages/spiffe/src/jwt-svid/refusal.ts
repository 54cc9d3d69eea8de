import type { SpiffeId } from '../id/spiffe-id.ts'

/** The closed list of why a token is refused. Log, count and test the codes; do not send them to the caller. */
const codes = [
  /** The token has more octets than is allowed. */
  'too-long',
  /**
   * It is not a JWT in compact serialization, read in one way: three parts in base64url, header and claims as JSON
   * objects, no member twice (JWT-SVID §2, §4).
   */
  'malformed',
  /** `alg` is not one of RS, ES and PS with 256, 384 or 512 (JWT-SVID §2.1). */
  'algorithm-not-allowed',
  /** `typ` is there, and neither `JWT` nor `JOSE` (JWT-SVID §2.3). */
  'type-not-allowed',
  /** `crit` is there: no extension of JWS is understood (RFC 7515 §4.1.11). */
  'critical-header',
  /** The header has a member that JWT-SVIDs do not have (JWT-SVID §2). */
  'unknown-header',
  /** There are more claims, or more values of `aud`, than is allowed. */
  'too-many-claims',
  /** `sub`, `aud` or `exp` is absent (JWT-SVID §3). */
  'missing-claim',
  /** `aud`, `exp`, `nbf` or `iat` is not what it has to be (RFC 7519 §4.1). */
  'invalid-claim',
  /** `sub` is not a SPIFFE ID (JWT-SVID §3.1). */
  'invalid-spiffe-id',
  /** `aud` does not name the service (JWT-SVID §3.2). */
  'wrong-audience',
  /** The time is `exp` or later (JWT-SVID §3.3). */
  'expired',
  /** `nbf` is to come, or `iat` is more than a minute away (RFC 7519 §4.1.5, §4.1.6). */
  'not-yet-valid',
  /** There is no JWT bundle of the trust domain of `sub`. */
  'unknown-trust-domain',
  /** The JWT bundle of the trust domain of `sub` has no authority. */
  'empty-bundle',
  /** `kid` names no authority of the bundle. */
  'unknown-key',
  /** The key that `kid` names, or without `kid` any key, does not fit `alg`: its type, its curve, or its own `alg`. */
  'key-mismatch',
  /** The token has no `kid`, and more keys fit `alg` than are tried. */
  'too-many-keys',
  /** The key did not make the signature. */
  'bad-signature',
] as const

/** Why a JWT-SVID is refused. */
export type JwtRefusalCode = (typeof codes)[number]

/** All codes, to enumerate in metrics, tests and documents. */
export const jwtRefusalCodes: readonly JwtRefusalCode[] = Object.freeze(codes)

/** A refusal, with the SPIFFE ID that the token claims. It is not proven, and for logs only. */
export interface JwtRefusal {
  readonly ok: false
  readonly code: JwtRefusalCode
  /** For logs, not for the caller. It quotes nothing of the token but the SPIFFE ID. */
  readonly message: string
  /** Absent when the token names none. */
  readonly claimedId?: SpiffeId
}

export function refuse(code: JwtRefusalCode, message: string, claimedId?: SpiffeId): JwtRefusal {
  return Object.freeze({
    ok: false,
    code,
    message,
    ...(claimedId !== undefined && { claimedId }),
  })
}
