import { isAlgorithm, type JwtSvidAlgorithm } from './algorithms.ts'
import { refuse, type JwtRefusal } from './refusal.ts'

/** What the header of a JWT-SVID says. */
export interface TokenHeader {
  readonly ok: true
  readonly algorithm: JwtSvidAlgorithm
  /** The authority that signed, if the token names it. */
  readonly keyId: string | undefined
}

const MEMBERS: ReadonlySet<string> = new Set(['alg', 'kid', 'typ'])
const TYPES: ReadonlySet<unknown> = new Set(['JWT', 'JOSE'])

/** JWT-SVID §2: `alg`, and `kid` and `typ` if the issuer wants; nothing else. */
export function readHeader(header: Readonly<Record<string, unknown>>): TokenHeader | JwtRefusal {
  if (Object.hasOwn(header, 'crit')) {
    return refuse('critical-header', 'the header has critical extensions')
  }
  if (Object.keys(header).some((name) => !MEMBERS.has(name))) {
    return refuse('unknown-header', 'the header has a member that JWT-SVIDs do not have')
  }
  const { alg, kid, typ } = header
  if (!isAlgorithm(alg)) return refuse('algorithm-not-allowed', 'alg is not allowed for JWT-SVIDs')
  // JWT-SVID §2.3. Octet for octet: other kinds of tokens have names that differ by less.
  if (typ !== undefined && !TYPES.has(typ)) {
    return refuse('type-not-allowed', 'typ must be JWT or JOSE, or absent')
  }
  if (kid !== undefined && typeof kid !== 'string')
    return refuse('malformed', 'kid is not a string')
  return { ok: true, algorithm: alg, keyId: kid }
}
