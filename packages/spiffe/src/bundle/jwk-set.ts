import { describeCause, describeValue } from '../describe.ts'
import { SpiffeError } from '../errors.ts'
import type { TrustDomain } from '../id/spiffe-id.ts'
import { isJsonObject, type JsonObject } from '../json/json-object.ts'
import { parseJson } from '../json/parse-json.ts'
import type { Jwk } from './jwk.ts'

/** Octets of one bundle. */
export const MAX_BUNDLE_BYTES: number = 4 * 1024 * 1024
/** Keys of one bundle, those that are ignored included. */
const MAX_KEYS = 1000
/** A member of a key that nobody here knows may be nested. */
export const MAX_DEPTH = 16

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads a text that was sent as octets, or is one already. */
export function textOf(input: string | Uint8Array, maxBytes: number): string {
  if (input.length > maxBytes) throw invalid(`it has more than ${maxBytes} bytes`)
  if (typeof input === 'string') return input
  try {
    return UTF_8.decode(input)
  } catch {
    throw invalid('it is not UTF-8')
  }
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

/** RFC 7517 §5: the keys of a JSON Web Key Set. */
export function keysOf(set: JsonObject): readonly Jwk[] {
  // SPIFFE Trust Domain and Bundle §4.1.3: `keys` must be there, and may be empty.
  const { keys } = set
  if (!Array.isArray(keys)) throw invalid(`keys must be a list (found: ${describeValue(keys)})`)
  if (keys.length > MAX_KEYS) throw invalid(`it has more than ${MAX_KEYS} keys`)
  return keys.map((key: unknown, index) => asObject(key, `keys[${index}]`))
}

/** @throws {@link SpiffeError} `invalid-bundle`, with what `read` throws as its cause */
export function readingBundle<T>(trustDomain: TrustDomain, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const reason = describeCause(cause)
    const message = `the bundle of ${trustDomain.name} cannot be read: ${reason}`
    throw new SpiffeError('invalid-bundle', message, { cause })
  }
}

export function invalid(reason: string): SpiffeError {
  return new SpiffeError('invalid-bundle', reason)
}
