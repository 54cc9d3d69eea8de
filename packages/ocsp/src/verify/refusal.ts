/** The closed list of why an OCSP response is refused. */
const codes = [
  /** The response has more than 64 KiB. */
  'too-large',
  /** The response is not strict DER, or not an OCSP response (RFC 6960 §4.2.1). */
  'malformed',
  /** The responder calls the request malformed (RFC 6960 §2.3). */
  'malformed-request',
  /** The responder has an internal error (RFC 6960 §2.3). */
  'internal-error',
  /** The responder cannot answer now (RFC 6960 §2.3). */
  'try-later',
  /** The responder wants the request to be signed (RFC 6960 §2.3). */
  'signature-required',
  /** The responder does not answer for this certificate (RFC 6960 §2.3, RFC 5019 §2.2.3). */
  'unauthorized',
  /** The response is of another type than basic (RFC 6960 §4.2.1). */
  'not-basic',
  /** The issuer that was given did not issue the certificate. */
  'wrong-issuer',
  /** Nobody who may answer has the name or the key of the responder (RFC 6960 §4.2.2.2). */
  'responder-unknown',
  /** The certificate of the responder does not make it one for this issuer (RFC 6960 §4.2.2.2). */
  'responder-not-authorized',
  /** The certificate of the responder is not valid yet. */
  'responder-not-yet-valid',
  /** The certificate of the responder has expired. */
  'responder-expired',
  /** The key of the signer is of a kind or size that is not allowed. */
  'weak-key',
  /** The response is signed in a way that is not allowed, such as SHA-1. */
  'weak-signature',
  /** The key of the responder did not make the signature. */
  'bad-signature',
  /** The response, or the certificate of the responder, has a critical extension that is not understood. */
  'unknown-critical-extension',
  /** The response says nothing about the certificate: another serial number, or another issuer. */
  'no-match',
  /** The response speaks of the certificate more than once. */
  'ambiguous',
  /** The response is not valid yet: it was made in the future. */
  'not-yet-valid',
  /** The response does not say until when it is valid. */
  'no-next-update',
  /** The response has expired: its next update is past. */
  'expired',
  /** What the response says is older than `maxAgeMs`. */
  'too-old',
  /** The response has another nonce than the request. */
  'nonce-mismatch',
  /** The response has no nonce, and one is required. */
  'nonce-missing',
] as const

/** Why the verifier refuses an OCSP response. */
export type OcspRefusalCode = (typeof codes)[number]

/** All codes, to enumerate in metrics, tests and documents. */
export const ocspRefusalCodes: readonly OcspRefusalCode[] = Object.freeze(codes)

/** The rule that a response broke, and how. */
export interface OcspRefusal {
  readonly ok: false
  readonly code: OcspRefusalCode
  /** For logs. It quotes nothing of the response. */
  readonly message: string
}

export function refusal(code: OcspRefusalCode, message: string): OcspRefusal {
  return Object.freeze({ ok: false, code, message })
}
