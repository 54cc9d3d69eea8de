import { SpiffeError } from '@fastify-spiffe/spiffe'
import { parseJson } from '@fastify-spiffe/spiffe/internal'
import { errors } from 'jose'

/** RFC 7515 §3.1: three parts in base64url, without padding. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const MAX_DEPTH = 32
/** The end of the year 9999, in seconds: a later time is not valid. */
const MAX_TIME = 253_402_300_799

/**
 * Refuses what two readers of a token could understand differently, or what is not a token at all:
 * characters that a lenient decoder skips, a key that occurs twice in the header or the claims,
 * invalid times. RFC 7519 §4: duplicate claim names are rejected, or the last one counts.
 *
 * @throws {errors.JWTInvalid}
 */
export function assertPlainToken(token: string): void {
  const [, header, claims] = COMPACT.exec(token) ?? []
  if (header === undefined || claims === undefined) throw new errors.JWTInvalid('no compact form')
  // RFC 7515 §4.1.11: no extension is understood here, so none may be critical.
  if (Object.hasOwn(objectIn(header), 'crit')) throw new errors.JWTInvalid('critical extensions')
  const members = objectIn(claims)
  for (const name of ['exp', 'nbf', 'iat']) {
    if (Object.hasOwn(members, name)) assertTime(Reflect.get(members, name))
  }
}

function assertTime(time: unknown): void {
  if (typeof time === 'number' && time >= 0 && time <= MAX_TIME) return
  throw new errors.JWTInvalid('a time that is none')
}

function objectIn(part: string): object {
  const value = jsonIn(part)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new errors.JWTInvalid('no object')
}

function jsonIn(part: string): unknown {
  const bytes = Buffer.from(part, 'base64url')
  // The last character may hold bits that belong to no octet: one content has one text.
  if (bytes.toString('base64url') !== part) throw new errors.JWTInvalid('no base64url')
  try {
    return parseJson(UTF_8.decode(bytes), { maxDepth: MAX_DEPTH })
  } catch (cause) {
    throw new errors.JWTInvalid(cause instanceof SpiffeError ? cause.message : 'no UTF-8')
  }
}
