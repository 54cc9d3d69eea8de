import { randomInt } from 'node:crypto'

/**
 * Says whether a string is certainly not in a set, or may be in it. The hash has a new seed for
 * each filter, so that nobody can search for strings that seem to be in all of them.
 */
export class BloomFilter {
  readonly #bits: Uint32Array
  readonly #bitCount: number
  readonly #hashCount: number
  readonly #seeds = [randomInt(2 ** 32), randomInt(2 ** 32)] as const

  /** @param falsePositiveRate - the share of strings outside the set that seem to be in it */
  constructor(texts: readonly string[], falsePositiveRate: number) {
    const bitsPerText = -Math.log(falsePositiveRate) / Math.LN2 ** 2
    this.#bitCount = Math.max(32, Math.ceil(texts.length * bitsPerText))
    this.#hashCount = Math.max(1, Math.round(bitsPerText * Math.LN2))
    this.#bits = new Uint32Array(Math.ceil(this.#bitCount / 32))
    for (const text of texts) this.#add(text)
  }

  mayHave(text: string): boolean {
    for (const bit of this.#bitsOf(text)) {
      if (((this.#bits[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false
    }
    return true
  }

  #add(text: string): void {
    for (const bit of this.#bitsOf(text)) {
      this.#bits[bit >>> 5] = (this.#bits[bit >>> 5] ?? 0) | (1 << (bit & 31))
    }
  }

  /** Two hashes make all (Kirsch and Mitzenmacher). */
  *#bitsOf(text: string): Iterable<number> {
    const first = hash(text, this.#seeds[0])
    // Odd, so that the steps do not meet too soon.
    const second = hash(text, this.#seeds[1]) | 1
    for (let step = 0; step < this.#hashCount; step++) {
      yield ((first + Math.imul(step, second)) >>> 0) % this.#bitCount
    }
  }
}

/** FNV-1a from a secret start, and a finalizer that spreads every bit. */
function hash(text: string, seed: number): number {
  let state = seed
  for (let at = 0; at < text.length; at++) {
    state = Math.imul(state ^ text.charCodeAt(at), 0x01000193)
  }
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}
