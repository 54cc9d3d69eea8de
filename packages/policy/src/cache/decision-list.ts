/**
 * What a decision about one identity is filed under: the number of a step alone, or a text of that and what the step
 * reads.
 */
export type DecisionKey = number | string

/** A decision, packed into one small integer: when it ends, and whether it allows. */
export type PackedDecision = number

/** A key of up to this many characters counts as one decision, a longer one as several: long keys cannot fill the memory. */
const CHARACTERS_PER_DECISION = 256

/** Decisions by key, in the order of their arrival. */
export class DecisionList {
  /** Numbers and decisions by turns: less than half the memory of a `Map`, and there are only as many as steps. */
  readonly #numbered: number[] = []
  #texts: Map<string, PackedDecision> | undefined
  #weight = 0

  /** In decisions with keys of the usual length. */
  get weight(): number {
    return this.#weight
  }

  get size(): number {
    return this.#numbered.length / 2 + (this.#texts?.size ?? 0)
  }

  get(key: DecisionKey): PackedDecision | undefined {
    if (typeof key === 'string') return this.#texts?.get(key)
    const at = this.#find(key)
    return at < 0 ? undefined : this.#numbered[at + 1]
  }

  /** Adds a decision under a key that is not there. */
  add(key: DecisionKey, decision: PackedDecision): void {
    this.#weight += weightOf(key)
    if (typeof key === 'number') {
      this.#numbered.push(key, decision)
      return
    }
    this.#texts ??= new Map()
    this.#texts.set(key, decision)
  }

  delete(key: DecisionKey): void {
    if (typeof key === 'string') {
      if (this.#texts?.delete(key) === true) this.#weight -= weightOf(key)
      return
    }
    const at = this.#find(key)
    if (at < 0) return
    this.#numbered.splice(at, 2)
    this.#weight--
  }

  /** Deletes the oldest: of those that the request decides first, since a caller can make up ever new ones. */
  deleteOldest(): void {
    const [oldest] = this.#texts?.keys() ?? []
    const key = oldest ?? this.#numbered[0]
    if (key !== undefined) this.delete(key)
  }

  #find(key: number): number {
    const numbered = this.#numbered
    for (let at = 0; at < numbered.length; at += 2) if (numbered[at] === key) return at
    return -1
  }
}

export function weightOf(key: DecisionKey): number {
  return typeof key === 'number' ? 1 : 1 + Math.floor(key.length / CHARACTERS_PER_DECISION)
}
