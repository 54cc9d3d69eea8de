/** A value with its place in an {@link EvictionQueue}. */
export interface QueuedEntry<V> {
  readonly value: V
  readonly weight: number
  newer: this | null
  older: this | null
}

/** How many entries are asked whether they may be evicted, before the search is given up. */
const MAX_LOOKS = 16

/** Entries from the most to the least recently used. */
export class EvictionQueue<V, E extends QueuedEntry<V>> {
  #newest: E | null = null
  #oldest: E | null = null

  get isEmpty(): boolean {
    return this.#newest === null
  }

  /** Adds an entry as the most recently used. */
  add(entry: E): void {
    entry.older = this.#newest
    entry.newer = null
    if (this.#newest === null) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
  }

  remove(entry: E): void {
    const { newer, older } = entry
    if (newer === null) this.#newest = older
    else newer.older = older
    if (older === null) this.#oldest = newer
    else older.newer = newer
  }

  renew(entry: E): void {
    if (entry === this.#newest) return
    this.remove(entry)
    this.add(entry)
  }

  /**
   * The least recently used entry that may be evicted. One that may not counts as used, so that it is not looked at again
   * soon; after a few of them the search ends without a result.
   */
  findOldest(isEvictable: (value: V) => boolean): E | undefined {
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const oldest = this.#oldest
      if (oldest === null) return undefined
      if (isEvictable(oldest.value)) return oldest
      this.renew(oldest)
    }
    return undefined
  }
}
