import { describeName } from '../describe.ts'
import { invalidJson } from './invalid-json.ts'

/** The bounds of what is scanned. */
export interface ScanBounds {
  readonly maxDepth: number
  readonly hidesKeys: boolean
  /** Of a string or a number, in UTF-16 code units. Default: as long as the text. */
  readonly maxTokenLength?: number
}

/** Is told where objects and lists begin and end. The depth is 1 in the outermost one. */
export interface ShapeObserver {
  open(index: number, depth: number): void
  comma(index: number, depth: number): void
  close(index: number, depth: number): void
}

/** Up to this many keys a list is searched, which is cheaper than a set. */
const FEW = 8

const [QUOTE, COMMA, MINUS, ZERO, NINE] = [0x22, 0x2c, 0x2d, 0x30, 0x39]
const [LIST, LIST_END, OBJECT, OBJECT_END, BACKSLASH] = [0x5b, 0x5d, 0x7b, 0x7d, 0x5c]
/** Shorter numbers are finite for sure. */
const LONG_NUMBER = 4
const MANY_DIGITS = 1000
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/**
 * Finds what `JSON.parse` does not refuse. It sees every key of a text that is JSON. For any other text its result does
 * not matter, because `JSON.parse` refuses that.
 */
export class Scan {
  readonly #text: string
  readonly #bounds: ScanBounds
  readonly #maxToken: number
  readonly #shape: ShapeObserver | undefined
  #index = 0
  /** The keys of the objects that are open; `null` for a list. */
  readonly #open: (Keys | null)[] = []
  #keys: Keys | null = null
  #isKeyNext = false

  constructor(text: string, bounds: ScanBounds, shape?: ShapeObserver) {
    this.#text = text
    this.#bounds = bounds
    this.#maxToken = bounds.maxTokenLength ?? text.length
    this.#shape = shape
  }

  /** Goes on, up to `end` or the end of the token that is there. Returns whether there is more. */
  advance(end: number): boolean {
    const text = this.#text
    let index = this.#index
    for (; index < end; index++) {
      const code = text.charCodeAt(index)
      if (code === QUOTE) index = this.#string(index)
      else if (code === COMMA) this.#comma(index)
      else if (code >= LIST) this.#bracket(index, code)
      else if (code === MINUS || (code >= ZERO && code <= NINE)) index = this.#number(index)
    }
    this.#index = index
    return index < text.length
  }

  #comma(index: number): void {
    this.#isKeyNext = this.#keys !== null
    this.#shape?.comma(index, this.#open.length)
  }

  #bracket(index: number, code: number): void {
    if (code === OBJECT) this.#enter(index, new Keys())
    else if (code === LIST) this.#enter(index, null)
    else if (code === OBJECT_END || code === LIST_END) this.#leave(index)
  }

  #enter(index: number, keys: Keys | null): void {
    const { maxDepth } = this.#bounds
    if (this.#open.push(this.#keys) > maxDepth) {
      throw invalidJson(this.#text, index, `the JSON is nested deeper than ${maxDepth}`)
    }
    this.#shape?.open(index, this.#open.length)
    this.#keys = keys
    this.#isKeyNext = keys !== null
  }

  #leave(index: number): void {
    this.#shape?.close(index, this.#open.length)
    this.#keys = this.#open.pop() ?? null
    this.#isKeyNext = false
  }

  /** Returns where the string ends. */
  #string(start: number): number {
    const text = this.#text
    let end = text.indexOf('"', start + 1)
    while (end !== -1 && isEscaped(text, end, start, this.#maxToken)) {
      end = text.indexOf('"', end + 1)
    }
    this.#assertShort(start, end === -1 ? text.length : end)
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
      const name = this.#bounds.hidesKeys ? 'a key' : `the key "${describeName(key)}"`
      throw invalidJson(this.#text, index, `${name} occurs twice`)
    }
  }

  /** Returns where the number ends. */
  #number(start: number): number {
    const length = this.#numberLength(start)
    const end = start + length - 1
    this.#assertShort(start, end)
    if (length > LONG_NUMBER && !Number.isFinite(Number(this.#text.slice(start, end + 1)))) {
      throw invalidJson(this.#text, start, 'the number is too large')
    }
    return end
  }

  #numberLength(start: number): number {
    // An expression reads all digits before it says how many there are.
    const isLong = this.#maxToken < this.#text.length && isDigit(this.#text, start + MANY_DIGITS)
    const text = isLong ? this.#text.slice(start, start + this.#maxToken + 2) : this.#text
    NUMBER.lastIndex = isLong ? 0 : start
    return NUMBER.exec(text)?.[0].length ?? 1
  }

  #assertShort(start: number, end: number): void {
    if (end - start <= this.#maxToken) return
    throw invalidJson(this.#text, start, `a value is longer than ${this.#maxToken} characters`)
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

function isDigit(text: string, index: number): boolean {
  const code = text.charCodeAt(index)
  return code >= ZERO && code <= NINE
}

/** Whether an odd number of backslashes stands before a quotation mark. */
function isEscaped(text: string, quote: number, start: number, maxLength: number): boolean {
  if (quote - start > maxLength) return false
  let index = quote - 1
  while (index > start && text.charCodeAt(index) === BACKSLASH) index--
  return (quote - index) % 2 === 0
}
