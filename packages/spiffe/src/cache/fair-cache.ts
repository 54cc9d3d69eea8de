import { EvictionQueue, type QueuedEntry } from './eviction-queue.ts'

/** The bounds of a {@link FairCache}. Weights are positive numbers. */
export interface FairCacheOptions<V> {
  /** The largest weight of all groups together. */
  readonly maxWeight: number
  /** The largest weight of one group. Default: `maxWeight`. */
  readonly maxGroupWeight?: number
  /** Default: each value weighs 1. */
  readonly weightOf?: (value: V) => number
  /** Whether a value may be evicted now. Default: each may. */
  readonly isEvictable?: (value: V) => boolean
}

interface Entry<V> extends QueuedEntry<V> {
  readonly key: string
  readonly group: Group<V>
}

interface Group<V> {
  readonly name: string
  readonly queue: EvictionQueue<V, Entry<V>>
  weight: number
}

/**
 * A cache that groups share, such as trust domains. No group can evict another group's values below its equal share.
 * A full group evicts its own least recently used value. When all groups together fill the cache, the heaviest group
 * gives up values. Up to `maxWeight / maxGroupWeight` groups never affect one another.
 */
export class FairCache<V> {
  readonly #maxWeight: number
  readonly #maxGroupWeight: number
  readonly #weightOf: (value: V) => number
  readonly #isEvictable: (value: V) => boolean
  readonly #entries = new Map<string, Entry<V>>()
  readonly #groups = new Map<string, Group<V>>()
  #weight = 0

  constructor({ maxWeight, maxGroupWeight, weightOf, isEvictable }: FairCacheOptions<V>) {
    this.#maxWeight = maxWeight
    this.#maxGroupWeight = Math.min(maxWeight, maxGroupWeight ?? maxWeight)
    this.#weightOf = weightOf ?? (() => 1)
    this.#isEvictable = isEvictable ?? (() => true)
  }

  get size(): number {
    return this.#entries.size
  }

  /** Finds a value, and marks it as used. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    entry.group.queue.renew(entry)
    return entry.value
  }

  /** Finds a value without marking it as used. */
  peek(key: string): V | undefined {
    return this.#entries.get(key)?.value
  }

  *values(): IterableIterator<V> {
    for (const { value } of this.#entries.values()) yield value
  }

  /**
   * Stores a value, in place of the one that the key had. Returns `false` and stores nothing when the value weighs more
   * than its group may hold, or when no room can be made for it.
   */
  set(group: string, key: string, value: V): boolean {
    this.delete(key)
    const weight = this.#weightOf(value)
    if (!this.#makeRoom(group, weight)) return false
    const owner = this.#groups.get(group) ?? this.#addGroup(group)
    const entry: Entry<V> = { key, group: owner, value, weight, newer: null, older: null }
    owner.queue.add(entry)
    owner.weight += weight
    this.#weight += weight
    this.#entries.set(key, entry)
    return true
  }

  delete(key: string): boolean {
    const entry = this.#entries.get(key)
    if (entry === undefined) return false
    const { group, weight } = entry
    this.#entries.delete(key)
    group.queue.remove(entry)
    group.weight -= weight
    this.#weight -= weight
    if (group.queue.isEmpty) this.#groups.delete(group.name)
    return true
  }

  #addGroup(name: string): Group<V> {
    const group = { name, queue: new EvictionQueue<V, Entry<V>>(), weight: 0 }
    this.#groups.set(name, group)
    return group
  }

  #makeRoom(group: string, weight: number): boolean {
    if (!(weight <= this.#maxGroupWeight)) return false
    while (this.#weightIn(group) + weight > this.#maxGroupWeight) {
      if (!this.#evictFrom(this.#groups.get(group))) return false
    }
    while (this.#weight + weight > this.#maxWeight) {
      if (!this.#evictFrom(this.#heaviest(group, weight))) return false
    }
    return true
  }

  #weightIn(group: string): number {
    return this.#groups.get(group)?.weight ?? 0
  }

  /**
   * The group that gives up a value. Of equally heavy groups it is the one that wants more; if that one is empty, the
   * oldest other one. Otherwise groups that are not used any more would keep new ones out forever.
   */
  #heaviest(group: string, weight: number): Group<V> | undefined {
    let heaviest = this.#groups.get(group)
    let most = this.#weightIn(group) + weight
    for (const other of this.#groups.values()) {
      const isTie = other.weight === most && heaviest === undefined
      if (other.weight <= most && !isTie) continue
      heaviest = other
      most = other.weight
    }
    return heaviest
  }

  #evictFrom(group: Group<V> | undefined): boolean {
    const evicted = group?.queue.findOldest(this.#isEvictable)
    return evicted !== undefined && this.delete(evicted.key)
  }
}
