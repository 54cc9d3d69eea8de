/** A value with its place in an {@link EvictionQueue}. */
export interface QueuedEntry<V> {
  readonly value: V
  readonly weight: number
  newer: this | null
  older: this | null
}

/** How many entries the search for an evictable one looks at before it gives up. */
const MAX_SEARCHED = 16

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
   * The least recently used entry that may be evicted. An entry that may not be evicted counts as used, so that the next
   * searches skip it. After {@link MAX_SEARCHED} of them the search ends without a result.
   */
  findOldest(isEvictable: (value: V) => boolean): E | undefined {
    for (let searched = 0; searched < MAX_SEARCHED; searched++) {
      const oldest = this.#oldest
      if (oldest === null) return undefined
      if (isEvictable(oldest.value)) return oldest
      this.renew(oldest)
    }
    return undefined
  }
}
