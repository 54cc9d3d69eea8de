/** A text with stars, each of which is any run of characters, the empty one included. */
export class TextPattern {
  readonly #start: string
  readonly #between: readonly string[]
  readonly #end: string
  readonly #shortest: number
  readonly #longest: number

  constructor(text: string) {
    const [start = '', ...others] = text.split('*')
    const end = others.pop()
    this.#start = start
    this.#between = others
    this.#end = end ?? ''
    this.#shortest = text.replaceAll('*', '').length
    this.#longest = end === undefined ? start.length : Infinity
  }

  /** Allocates nothing. */
  matches(candidate: string): boolean {
    const { length } = candidate
    // The length first: it is known, and differs for most others.
    if (length < this.#shortest || length > this.#longest) return false
    const start = this.#start
    if (!isAt(candidate, start, 0)) return false
    const end = this.#end
    if (!isAt(candidate, end, length - end.length)) return false
    const between = this.#between
    return between.length === 0 || isFound(candidate, between, start.length, length - end.length)
  }
}

/** As `startsWith`, which costs several times as much for texts as short as these. */
function isAt(candidate: string, text: string, position: number): boolean {
  for (let i = 0; i < text.length; i++) {
    if (candidate.charCodeAt(position + i) !== text.charCodeAt(i)) return false
  }
  return true
}

/**
 * Whether texts follow one another between two positions. Each is looked for once, after the one before it: the leftmost
 * find leaves most room for the rest, so that there is never anything to take back.
 */
function isFound(candidate: string, texts: readonly string[], from: number, to: number): boolean {
  let position = from
  for (const text of texts) {
    const found = candidate.indexOf(text, position)
    if (found === -1) return false
    position = found + text.length
  }
  return position <= to
}
