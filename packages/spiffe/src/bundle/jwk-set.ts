import { describeCause, describeValue } from '../describe.ts'
import { SpiffeError } from '../errors.ts'
import type { TrustDomain } from '../id/spiffe-id.ts'
import { isJsonObject, type JsonObject } from '../json/json-object.ts'
import { parseJson } from '../json/parse-json.ts'
import { readMembers, type JsonMember } from '../json/read-members.ts'
import type { Steps } from '../steps.ts'
import type { Jwk } from './jwk.ts'

/** Octets of one bundle. */
export const MAX_BUNDLE_BYTES: number = 4 * 1024 * 1024
/** Keys of one bundle, those that are ignored included. */
const MAX_KEYS = 1000
/** A member of a key that nobody here knows may be nested. */
const MAX_DEPTH = 16
/**
 * Of one key, in characters. A certificate with an RSA key of 16,384 bits takes a tenth, one with ML-DSA a fifth. It bounds
 * the longest step: this much JSON of the dearest kind takes about three milliseconds.
 */
const MAX_KEY_LENGTH = 64 * 1024
/** The members beside the keys, and the items of lists among them, which nobody here knows. */
const MAX_PIECES = 10_000
const DECODED_BYTES = 128 * 1024

/** A JSON Web Key Set (RFC 7517 §5). */
export interface JwkSet {
  readonly keys: readonly Jwk[]
  /** All members, `keys` included. */
  readonly members: ReadonlyMap<string, JsonMember>
}

/** Reads a text that was sent as octets, or is one already. */
export function* textOf(input: string | Uint8Array, maxBytes: number): Steps<string> {
  if (input.length > maxBytes) throw invalid(`it has more than ${maxBytes} bytes`)
  if (typeof input === 'string') return input
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const parts: string[] = []
  try {
    for (let start = 0; start < input.length; start += DECODED_BYTES) {
      parts.push(decoder.decode(input.subarray(start, start + DECODED_BYTES), { stream: true }))
      yield
    }
    parts.push(decoder.decode())
  } catch {
    throw invalid('it is not UTF-8')
  }
  const text = parts.join('')
  yield
  return text
}

/** @throws {@link SpiffeError} `invalid-json`, or `invalid-bundle` for what is not a JSON Web Key Set */
export function* readJwkSet(input: string | Uint8Array): Steps<JwkSet> {
  const text = yield* textOf(input, MAX_BUNDLE_BYTES)
  const members = yield* readMembers(text, {
    maxDepth: MAX_DEPTH,
    maxPieces: MAX_PIECES,
    maxPieceLength: MAX_KEY_LENGTH,
  })
  return { keys: keysOf(members.get('keys')?.value), members }
}

/** @throws {@link SpiffeError} `invalid-json`, or `invalid-bundle` for what is no object */
export function parseObject(text: string, maxLength: number): JsonObject {
  return asObject(parseJson(text, { maxLength, maxDepth: MAX_DEPTH }), 'it')
}

/** @param what begins the sentence of the error */
export function asObject(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value
  throw invalid(`${what} must be an object (found: ${describeValue(value)})`)
}

// SPIFFE Trust Domain and Bundle §4.1.3: `keys` must be there, and may be empty.
function keysOf(keys: unknown): readonly Jwk[] {
  if (!Array.isArray(keys)) throw invalid(`keys must be a list (found: ${describeValue(keys)})`)
  if (keys.length > MAX_KEYS) throw invalid(`it has more than ${MAX_KEYS} keys`)
  return keys.map((key: unknown, index) => asObject(key, `keys[${index}]`))
}

/** @throws {@link SpiffeError} `invalid-bundle`, with what `read` throws as its cause */
export function readingBundle<T>(trustDomain: TrustDomain, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw unreadable(trustDomain, cause)
  }
}

/** The error for a bundle that cannot be read because of `cause`. */
export function unreadable(trustDomain: TrustDomain, cause: unknown): SpiffeError {
  const reason = describeCause(cause)
  const message = `the bundle of ${trustDomain.name} cannot be read: ${reason}`
  return new SpiffeError('invalid-bundle', message, { cause })
}

export function invalid(reason: string): SpiffeError {
  return new SpiffeError('invalid-bundle', reason)
}
