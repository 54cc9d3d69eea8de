import { isUtf8 } from 'node:buffer'
import { SpiffeError } from '../errors.ts'
import { isJsonObject, type JsonObject } from '../json/json-object.ts'
import { parseJson } from '../json/parse-json.ts'

/** What a JWT says. Nothing of it is proven. */
export interface CompactJwt {
  readonly header: JsonObject
  readonly claims: JsonObject
}

/** All in base64url. */
export interface CompactParts {
  readonly header: string
  readonly claims: string
  readonly signature: string
}

/** RFC 7515 §3.1, §7.1: three parts in base64url, without padding. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/
const LIMITS = { maxDepth: 32, hidesKeys: true }
const BEYOND_ASCII = /[\u0080-\u00ff]/
/** RFC 4648 §3.5: digits whose last two, or four, bits are zero; they belong to no octet. */
const [ENDS_WITH_TWO_BITS, ENDS_WITH_FOUR_BITS] = ['AEIMQUYcgkosw048', 'AQgw']

/**
 * Reads a JWT in compact serialization, or says what is wrong with it. It refuses what two readers could understand
 * differently: characters that a lenient decoder skips, bits that belong to no octet, and a key that occurs twice in
 * the header or in the claims (RFC 7519 §4: duplicate names are rejected, or the last one counts).
 */
export function readCompactJwt(token: string): CompactJwt | string {
  const parts = splitCompactJwt(token)
  if (typeof parts === 'string') return parts
  const [header, claims] = [readPart(parts.header), readPart(parts.claims)]
  if (typeof header === 'string') return `the header ${header}`
  if (typeof claims === 'string') return `the part with the claims ${claims}`
  return { header, claims }
}

/** The parts of a JWT before they are decoded, or what is wrong with their form. The signature is exact base64url. */
export function splitCompactJwt(token: string): CompactParts | string {
  const [, header, claims, signature] = COMPACT.exec(token) ?? []
  if (header === undefined || claims === undefined || signature === undefined) {
    return 'it is not a JWT in compact serialization'
  }
  return isExact(signature) ? { header, claims, signature } : 'the signature is not exact base64url'
}

/** The object that a part holds, or what is wrong with it, as the end of a sentence. */
export function readPart(part: string): JsonObject | string {
  if (!isExact(part)) return 'is not exact base64url'
  const text = textIn(part)
  if (text === null) return 'is not UTF-8'
  try {
    const value = parseJson(text, LIMITS)
    return isJsonObject(value) ? value : 'is not a JSON object'
  } catch (error) {
    if (error instanceof SpiffeError) return `is refused: ${error.message}`
    throw error
  }
}

/** `null` for what is not UTF-8. */
function textIn(part: string): string | null {
  const octets = Buffer.from(part, 'base64url')
  // Nearly all tokens are ASCII, and found to be so in a tenth of the time.
  const text = octets.toString('latin1')
  if (!BEYOND_ASCII.test(text)) return text
  return isUtf8(octets) ? octets.toString() : null
}

/** Whether digits of base64url are what encoding some octets gives. */
function isExact(part: string): boolean {
  const last = part.at(-1) ?? ''
  switch (part.length % 4) {
    case 0:
      return true
    case 2:
      return ENDS_WITH_FOUR_BITS.includes(last)
    case 3:
      return ENDS_WITH_TWO_BITS.includes(last)
    default:
      return false
  }
}
