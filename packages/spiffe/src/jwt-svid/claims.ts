import { SpiffeId } from '../id/spiffe-id.ts'
import type { JwtSettings } from './options.ts'
import { refuse, type JwtRefusal } from './refusal.ts'
import type { JwtClaims } from './verification.ts'

/** What the claims of a JWT-SVID say. Times in milliseconds since the epoch. */
export interface TokenClaims {
  readonly ok: true
  readonly spiffeId: SpiffeId
  readonly audience: readonly string[]
  readonly expiresAt: number
}

const MAX_CLAIMS = 64
const MAX_AUDIENCE = 64
/** The end of the year 9999, in seconds: a later time is not valid. */
const MAX_TIME = 253_402_300_799
/** How far ahead an issuer's clock may be when it writes `iat`, in milliseconds. */
const MAX_ISSUER_AHEAD_MS = 60_000

/** JWT-SVID §3: the claims that every JWT-SVID has, and the times that RFC 7519 §4.1 defines. */
export function readClaims(
  claims: JwtClaims,
  settings: JwtSettings,
  now: number,
): TokenClaims | JwtRefusal {
  if (Object.keys(claims).length > MAX_CLAIMS) {
    return refuse('too-many-claims', `there are more than ${MAX_CLAIMS} claims`)
  }
  const spiffeId = readSubject(claims)
  if (!(spiffeId instanceof SpiffeId)) return spiffeId
  const audience = readAudience(claims, settings.audience, spiffeId)
  if (!audience.ok) return audience
  const expiresAt = readTimes(claims, settings.clockSkewMs, now, spiffeId)
  if (typeof expiresAt !== 'number') return expiresAt
  return { ok: true, spiffeId, audience: audience.names, expiresAt }
}

function readSubject({ sub }: JwtClaims): SpiffeId | JwtRefusal {
  if (sub === undefined) return refuse('missing-claim', 'there is no sub')
  const parsed = SpiffeId.safeParse(sub)
  return parsed.ok ? parsed.value : refuse('invalid-spiffe-id', parsed.error.message)
}

/** RFC 7519 §4.1.3: one string, or a list of them. */
function readAudience(
  { aud }: JwtClaims,
  own: readonly string[],
  spiffeId: SpiffeId,
): { readonly ok: true; readonly names: readonly string[] } | JwtRefusal {
  const list: unknown = typeof aud === 'string' ? [aud] : aud
  if (list === undefined || (Array.isArray(list) && list.length === 0)) {
    return refuse('missing-claim', 'there is no aud', spiffeId)
  }
  if (!isListOfStrings(list)) {
    return refuse('invalid-claim', 'aud is neither a string nor a list of strings', spiffeId)
  }
  if (list.length > MAX_AUDIENCE) {
    return refuse('too-many-claims', `aud has more than ${MAX_AUDIENCE} values`, spiffeId)
  }
  if (!list.some((name) => own.includes(name))) {
    return refuse('wrong-audience', 'aud does not name this service', spiffeId)
  }
  return { ok: true, names: Object.freeze(list) }
}

function readTimes(
  { exp, nbf, iat }: JwtClaims,
  clockSkewMs: number,
  now: number,
  spiffeId: SpiffeId,
): number | JwtRefusal {
  if (exp === undefined) return refuse('missing-claim', 'there is no exp', spiffeId)
  if (!isTime(exp) || !isTimeOrAbsent(nbf) || !isTimeOrAbsent(iat)) {
    return refuse('invalid-claim', 'exp, nbf or iat is not a time', spiffeId)
  }
  // RFC 7519 §4.1.4: at `exp` it is expired. Written so that no time at all, NaN, is refused.
  if (!(now < exp * 1000 + clockSkewMs)) return refuse('expired', 'the token has expired', spiffeId)
  if (nbf !== undefined && now < nbf * 1000 - clockSkewMs) {
    return refuse('not-yet-valid', 'nbf is to come', spiffeId)
  }
  if (iat !== undefined && now < iat * 1000 - MAX_ISSUER_AHEAD_MS) {
    return refuse('not-yet-valid', 'iat is more than a minute away', spiffeId)
  }
  return exp * 1000
}

/** RFC 7519 §2: whether a claim is a time, in seconds since the epoch. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= MAX_TIME
}

function isTimeOrAbsent(value: unknown): value is number | undefined {
  return value === undefined || isTime(value)
}

function isListOfStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}
