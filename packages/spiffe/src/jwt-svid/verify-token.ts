import type { BundleSet } from '../bundle/bundle-set.ts'
import type { JwtAuthority } from '../bundle/jwt-authority.ts'
import type { JwtBundle } from '../bundle/jwt-bundle.ts'
import { candidatesFor } from './candidates.ts'
import { readClaims } from './claims.ts'
import { readPart, splitCompactJwt } from './compact-jwt.ts'
import { readHeaderPart } from './header.ts'
import type { JwtSettings } from './options.ts'
import { refuse } from './refusal.ts'
import { isSignedBy, signatureOf, type TokenSignature } from './signature.ts'
import type { JwtVerification } from './verification.ts'

/** Verifies one token (JWT-SVID §4), cheap before dear. Never rejects because of the token. */
export async function verifyToken(
  token: string,
  bundles: BundleSet<JwtBundle>,
  settings: JwtSettings,
): Promise<JwtVerification> {
  if (typeof token !== 'string') return refuse('malformed', 'it is not a string')
  if (token.length > settings.maxTokenBytes) {
    return refuse('too-long', `it has more than ${settings.maxTokenBytes} octets`)
  }
  const parts = splitCompactJwt(token)
  if (typeof parts === 'string') return refuse('malformed', parts)
  const header = readHeaderPart(parts.header)
  if (!header.ok) return header
  const said = readPart(parts.claims)
  if (typeof said === 'string') return refuse('malformed', `the part with the claims ${said}`)
  const claims = readClaims(said, settings, settings.clock())
  if (!claims.ok) return claims
  const candidates = candidatesFor(header, claims.spiffeId, bundles)
  if (!candidates.ok) return candidates
  const signature = signatureOf(parts, header.algorithm)
  const authority = await signerAmong(candidates.authorities, signature)
  if (authority === undefined) {
    return refuse('bad-signature', 'no key of the bundle made the signature', claims.spiffeId)
  }
  const { spiffeId, audience, expiresAt } = claims
  const validUntil = expiresAt + settings.clockSkewMs
  const all = deepFrozen(said)
  const svid = { spiffeId, audience, expiresAt, validUntil, claims: all, authority }
  return Object.freeze({ ok: true, svid: Object.freeze(svid) })
}

async function signerAmong(
  candidates: readonly JwtAuthority[],
  signature: TokenSignature,
): Promise<JwtAuthority | undefined> {
  for (const authority of candidates) {
    // oxlint-disable-next-line no-await-in-loop -- the first that fits ends it
    if (await isSignedBy(authority, signature)) return authority
  }
  return undefined
}

/** What was read from JSON: as deep as the reader allows, and without cycles. */
function deepFrozen<T extends object>(value: T): T {
  for (const member of Object.values(value) as unknown[]) {
    if (typeof member === 'object' && member !== null) deepFrozen(member)
  }
  return Object.freeze(value)
}
