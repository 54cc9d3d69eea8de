import type { JwtAuthority } from '../bundle/jwt-authority.ts'
import type { SpiffeId } from '../id/spiffe-id.ts'
import type { JwtRefusal } from './refusal.ts'

/** The claims of a token (RFC 7519 §4). Frozen, with all that is in them. */
export type JwtClaims = Readonly<Record<string, unknown>>

/** A verified JWT-SVID. Frozen. It does not hold the token, which is a secret. */
export interface VerifiedJwtSvid {
  readonly spiffeId: SpiffeId
  /** All services that the token is for. */
  readonly audience: readonly string[]
  /** When the token expires: milliseconds since the epoch, exclusive. */
  readonly expiresAt: number
  /** When the verification ends to hold: `expiresAt` plus `clockSkewMs`. Milliseconds since the epoch, exclusive. */
  readonly validUntil: number
  /** All claims. The issuer has signed them; what those of other names mean is between it and the service. */
  readonly claims: JwtClaims
  /** The authority of the bundle that signed the token. Once it has left the bundle, the token is worth nothing. */
  readonly authority: JwtAuthority
}

/** What became of a token: a verified SVID, or a code and a reason. */
export type JwtVerification = { readonly ok: true; readonly svid: VerifiedJwtSvid } | JwtRefusal
