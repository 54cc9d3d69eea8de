/**
 * Validation of JWT-SVIDs, offline, by Node's own cryptography.
 * @module
 */
export type { JwtVerifyOptions } from './options.ts'
export { jwtRefusalCodes } from './refusal.ts'
export type { JwtRefusal, JwtRefusalCode } from './refusal.ts'
export type { JwtClaims, JwtVerification, VerifiedJwtSvid } from './verification.ts'
export { JwtSvidVerifier } from './verifier.ts'
export type { JwtBundleHolder, JwtSvidVerifierOptions } from './verifier.ts'
export { verifyJwtSvid } from './verify-jwt-svid.ts'
