import { errors } from 'jose'

/** Why a token was refused. */
export type TokenFault =
  | 'missing'
  | 'too-long'
  | 'malformed'
  | 'algorithm'
  | 'unknown-key'
  | 'several-keys'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'not-yet-valid'
  | 'missing-claim'
  | 'not-bound'

const BY_CODE: ReadonlyMap<string, TokenFault> = new Map<string, TokenFault>([
  ['ERR_JOSE_ALG_NOT_ALLOWED', 'algorithm'],
  ['ERR_JOSE_NOT_SUPPORTED', 'algorithm'],
  ['ERR_JWKS_NO_MATCHING_KEY', 'unknown-key'],
  ['ERR_JWKS_MULTIPLE_MATCHING_KEYS', 'several-keys'],
  ['ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'signature'],
  ['ERR_JWT_EXPIRED', 'expired'],
])

const BY_CLAIM: ReadonlyMap<string, TokenFault> = new Map<string, TokenFault>([
  ['iss', 'issuer'],
  ['aud', 'audience'],
  ['exp', 'expired'],
  ['nbf', 'not-yet-valid'],
])

/** Which rule a token broke; `null` for an error that is not the token's. */
export function tokenFaultOf(error: unknown): TokenFault | null {
  // A key set with a private key is a fault of the issuer.
  if (!(error instanceof errors.JOSEError) || error instanceof errors.JWKSInvalid) return null
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === 'missing') return 'missing-claim'
    return error.reason === 'invalid' ? 'malformed' : (BY_CLAIM.get(error.claim) ?? 'malformed')
  }
  return BY_CODE.get(error.code) ?? 'malformed'
}
