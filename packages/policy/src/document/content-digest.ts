import { createHash } from 'node:crypto'

/** The texts of what is inside are copied at each level. */
const MAX_DEPTH = 500

/**
 * A digest of what a policy document says, in hexadecimal (SHA-256): the same for the same content, whatever the order of
 * its keys, whether it comes from a file or from code. What JSON does not know, such as functions and matchers, counts by
 * its text.
 *
 * @throws {TypeError} for a document that holds itself
 * @throws {RangeError} for one that nests deeper than 500, as JSON in files may not either
 */
export function contentDigest(document: unknown): string {
  return createHash('sha256').update(canonical(document, new Set())).digest('hex')
}

function canonical(value: unknown, outer: Set<object>): string {
  if (typeof value !== 'object' || value === null) return primitive(value)
  if (outer.has(value)) throw new TypeError('it holds itself')
  if (outer.size >= MAX_DEPTH) throw new RangeError(`it nests deeper than ${MAX_DEPTH}`)
  if ('toJSON' in value && typeof value.toJSON === 'function') return primitive(value.toJSON())
  outer.add(value)
  const text = Array.isArray(value)
    ? `[${value.map((element) => canonical(element, outer)).join()}]`
    : `${textOfInstance(value)}{${members(value, outer).join()}}`
  outer.delete(value)
  return text
}

/** In the order of their keys. What is `undefined` is not there. */
function members(value: object, outer: Set<object>): string[] {
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonical(member, outer)}`)
}

/** Empty for plain data. */
function textOfInstance(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return ''
  // oxlint-disable-next-line typescript/no-base-to-string -- instances without a text of their own differ by their members
  return JSON.stringify(String(value))
}

function primitive(value: unknown): string {
  if (typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') {
    return `${typeof value} ${JSON.stringify(String(value))}`
  }
  // As in JSON, where `undefined` is `null` in a list.
  return JSON.stringify(value ?? null)
}
