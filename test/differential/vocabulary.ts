/** What the words of a description mean. A word that is not there is a mistake, and found at once. */
export class Vocabulary<T> {
  readonly words: readonly string[]
  readonly #meanings: ReadonlyMap<string, T>

  constructor(meanings: Readonly<Record<string, T>>) {
    this.#meanings = new Map(Object.entries(meanings))
    this.words = [...this.#meanings.keys()]
  }

  /** @throws RangeError for a word that is not there */
  get(word: string): T {
    const meaning = this.#meanings.get(word)
    if (meaning === undefined)
      throw new RangeError(`no chain is described by ${JSON.stringify(word)}`)
    return meaning
  }

  /** The words, all of which are there. */
  checked(words: readonly string[]): ReadonlySet<string> {
    for (const word of words) this.get(word)
    return new Set(words)
  }
}
