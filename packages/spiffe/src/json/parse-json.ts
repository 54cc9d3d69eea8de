import { SpiffeError } from '../errors.ts'
import { invalidJson } from './invalid-json.ts'
import { Scan } from './scan.ts'
import { syntaxFaultAt } from './syntax-fault.ts'

/** The bounds of a JSON text. */
export interface JsonLimits {
  /** UTF-16 code units of the whole text. Default 16 Mi. */
  readonly maxLength?: number
  /** The depth of nested objects and lists. Default 500. */
  readonly maxDepth?: number
  /** Whether errors leave out the names of keys, which may be secrets in a text from outside. Default `false`. */
  readonly hidesKeys?: boolean
}

const MAX_LENGTH = 16 * 1024 * 1024
const MAX_DEPTH = 500

/**
 * Reads JSON that carries a decision. It accepts what `JSON.parse` accepts, except for what two readers understand
 * differently: a key that occurs twice in one object (RFC 8259 §4: the behaviour is unpredictable), the key
 * `__proto__`, and numbers too large for JavaScript, such as `1e400`, which would be `Infinity`. The time is linear in
 * the length of the text.
 *
 * @throws {@link SpiffeError} `invalid-json`, whose message has the position, and of the text at most the name of a key
 */
export function parseJson(text: string, limits: JsonLimits = {}): unknown {
  const { maxLength = MAX_LENGTH, maxDepth = MAX_DEPTH, hidesKeys = false } = limits
  if (typeof text !== 'string') throw new SpiffeError('invalid-json', 'JSON must be a string')
  if (text.length > maxLength) {
    throw new SpiffeError('invalid-json', `the JSON is longer than ${maxLength} characters`)
  }
  try {
    new Scan(text, { maxDepth, hidesKeys }).advance(text.length)
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SpiffeError) throw error
    throw invalidJson(text, syntaxFaultAt(text), 'this is not JSON')
  }
}
