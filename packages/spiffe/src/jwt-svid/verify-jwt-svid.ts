import type { BundleSet } from '../bundle/bundle-set.ts'
import type { JwtBundle } from '../bundle/jwt-bundle.ts'
import { options, readVerifyOptions, VERIFY_OPTIONS, type JwtVerifyOptions } from './options.ts'
import type { JwtVerification } from './verification.ts'
import { verifyToken } from './verify-token.ts'

/**
 * Verifies one JWT-SVID offline (JWT-SVID §4): the signature by an authority of the trust domain that its subject is of,
 * and of no other, the audience and the times. Nothing is kept: to verify the tokens of requests, use a
 * `JwtSvidVerifier`.
 *
 * It never rejects because of the token: that is a refusal.
 *
 * @param token in compact serialization, without `Bearer `
 * @throws {@link SpiffeError} `unknown-option`, `invalid-option`
 */
export async function verifyJwtSvid(
  token: string,
  bundles: BundleSet<JwtBundle>,
  given: JwtVerifyOptions,
): Promise<JwtVerification> {
  options.assertKnown('verifyJwtSvid', given, VERIFY_OPTIONS)
  return verifyToken(token, bundles, readVerifyOptions(given))
}
