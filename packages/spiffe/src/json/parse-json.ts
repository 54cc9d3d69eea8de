import { describeName } from '../describe.ts'
import { SpiffeError } from '../errors.ts'
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
/** Up to this many keys a list is searched, which is cheaper than a set. */
const FEW = 8

const [QUOTE, COMMA, MINUS, ZERO, NINE] = [0x22, 0x2c, 0x2d, 0x30, 0x39]
const [LIST, LIST_END, OBJECT, OBJECT_END, BACKSLASH] = [0x5b, 0x5d, 0x7b, 0x7d, 0x5c]
/** Shorter numbers are finite for sure. */
const LONG_NUMBER = 4
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

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
  const scan = new Scan(text, maxDepth, hidesKeys)
  try {
    scan.run()
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SpiffeError) throw error
    throw invalidJson(text, syntaxFaultAt(text), 'this is not JSON')
  }
}

/**
 * Finds what `JSON.parse` does not refuse. It sees every key of a text that is JSON. For any other text its result does
 * not matter, because `JSON.parse` refuses that.
 */
class Scan {
  readonly #text: string
  readonly #maxDepth: number
  readonly #hidesKeys: boolean
  /** The keys of the objects that are open; `null` for a list. */
  readonly #open: (Keys | null)[] = []
  #keys: Keys | null = null
  #isKeyNext = false

  constructor(text: string, maxDepth: number, hidesKeys: boolean) {
    this.#text = text
    this.#maxDepth = maxDepth
    this.#hidesKeys = hidesKeys
  }

  run(): void {
    const text = this.#text
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index)
      if (code === QUOTE) index = this.#string(index)
      else if (code === COMMA) this.#isKeyNext = this.#keys !== null
      else if (code >= LIST) this.#bracket(index, code)
      else if (code === MINUS || (code >= ZERO && code <= NINE)) index = this.#number(index)
    }
  }

  #bracket(index: number, code: number): void {
    if (code === OBJECT) this.#enter(index, new Keys())
    else if (code === LIST) this.#enter(index, null)
    else if (code === OBJECT_END || code === LIST_END) this.#leave()
  }

  #enter(index: number, keys: Keys | null): void {
    if (this.#open.push(this.#keys) > this.#maxDepth) {
      throw invalidJson(this.#text, index, `the JSON is nested deeper than ${this.#maxDepth}`)
    }
    this.#keys = keys
    this.#isKeyNext = keys !== null
  }

  #leave(): void {
    this.#keys = this.#open.pop() ?? null
    this.#isKeyNext = false
  }

  /** Returns where the string ends. */
  #string(start: number): number {
    const text = this.#text
    let end = text.indexOf('"', start + 1)
    while (end !== -1 && isEscaped(text, end, start)) end = text.indexOf('"', end + 1)
    if (end === -1) return text.length
    if (this.#isKeyNext) {
      this.#isKeyNext = false
      this.#key(start, text.slice(start, end + 1))
    }
    return end
  }

  #key(index: number, quoted: string): void {
    const key = quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1)
    if (key === '__proto__') {
      throw invalidJson(this.#text, index, "the key '__proto__' has a meaning of its own")
    }
    if (this.#keys?.add(key) === false) {
      const name = this.#hidesKeys ? 'a key' : `the key "${describeName(key)}"`
      throw invalidJson(this.#text, index, `${name} occurs twice`)
    }
  }

  /** Returns where the number ends. */
  #number(start: number): number {
    NUMBER.lastIndex = start
    const length = NUMBER.exec(this.#text)?.[0].length ?? 1
    const end = start + length - 1
    if (length > LONG_NUMBER && !Number.isFinite(Number(this.#text.slice(start, end + 1)))) {
      throw invalidJson(this.#text, start, 'the number is too large')
    }
    return end
  }
}

/** The keys of one object. */
class Keys {
  #few: string[] | null = []
  #many: Set<string> | null = null

  /** Whether the key is new. */
  add(key: string): boolean {
    if (this.#few === null) {
      const many = this.#many
      return many !== null && !many.has(key) && many.add(key).has(key)
    }
    if (this.#few.includes(key)) return false
    this.#few.push(key)
    if (this.#few.length > FEW) [this.#many, this.#few] = [new Set(this.#few), null]
    return true
  }
}

/** Whether an odd number of backslashes stands before a quotation mark. */
function isEscaped(text: string, quote: number, start: number): boolean {
  let index = quote - 1
  while (index > start && text.charCodeAt(index) === BACKSLASH) index--
  return (quote - index) % 2 === 0
}

function invalidJson(text: string, index: number, what: string): SpiffeError {
  const before = text.slice(0, index)
  const line = before.split('\n').length
  const column = index - before.lastIndexOf('\n')
  return new SpiffeError('invalid-json', `line ${line}, column ${column}: ${what}`)
}
