import type { JsonObject } from '../json/json-object.ts'
import { isAlgorithm, type JwtSvidAlgorithm } from './algorithms.ts'
import { readPart } from './compact-jwt.ts'
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

/** Headers that were good, by their text. */
const known = new Map<string, TokenHeader>()
const MAX_KNOWN = 128
/** Of a text that is remembered. */
const MAX_LENGTH = 256

/**
 * Reads the first part of a JWT-SVID. All tokens that a key signs have the same one: to find it again takes a tenth of
 * the time.
 */
export function readHeaderPart(part: string): TokenHeader | JwtRefusal {
  const found = known.get(part)
  if (found !== undefined) return found
  const object = readPart(part)
  if (typeof object === 'string') return refuse('malformed', `the header ${object}`)
  const header = readHeader(object)
  if (header.ok && part.length <= MAX_LENGTH) {
    if (known.size === MAX_KNOWN) known.clear()
    known.set(part, Object.freeze(header))
  }
  return header
}

/** JWT-SVID §2: `alg`, and `kid` and `typ` if the issuer wants; nothing else. */
export function readHeader(header: JsonObject): TokenHeader | JwtRefusal {
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
