import { decodeBase64Url } from '../base64.ts'
import { SpiffeError } from '../errors.ts'
import { parseJson } from '../json/parse-json.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** What a JWT says. Nothing of it is proven. */
export interface CompactJwt {
  readonly header: JsonObject
  readonly claims: JsonObject
}

/** RFC 7515 §3.1, §7.1: three parts in base64url, without padding. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const MAX_DEPTH = 32

/**
 * Reads a JWT in compact serialization, or says what is wrong with it. It refuses what two readers could understand
 * differently: characters that a lenient decoder skips, bits that belong to no octet, and a key that occurs twice in
 * the header or in the claims (RFC 7519 §4: duplicate names are rejected, or the last one counts).
 */
export function readCompactJwt(token: string): CompactJwt | string {
  const [, header, claims, signature] = COMPACT.exec(token) ?? []
  if (header === undefined || claims === undefined || signature === undefined) {
    return 'it is not a JWT in compact serialization'
  }
  const [readHeader, readClaims] = [objectIn(header), objectIn(claims)]
  if (typeof readHeader === 'string') return `the header ${readHeader}`
  if (typeof readClaims === 'string') return `the part with the claims ${readClaims}`
  if (decodeBase64Url(signature) === null) return 'the signature is not exact base64url'
  return { header: readHeader, claims: readClaims }
}

function objectIn(part: string): JsonObject | string {
  const octets = decodeBase64Url(part)
  if (octets === null) return 'is not exact base64url'
  try {
    const value = parseJson(UTF_8.decode(octets), { maxDepth: MAX_DEPTH, hidesKeys: true })
    return isObject(value) ? value : 'is not a JSON object'
  } catch (error) {
    return error instanceof SpiffeError ? `is refused: ${error.message}` : 'is not UTF-8'
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
