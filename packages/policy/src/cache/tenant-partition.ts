import { LRUCache } from 'lru-cache'
import type { Decision } from '../decision/decision.ts'
import type { DecisionKey, PackedDecision } from './decision-list.ts'
import { IdentityDecisions } from './identity-decisions.ts'

/** What decisions depend on besides their key: every entry of a bucket was made under one generation. */
export interface Generation {
  readonly epoch: number
  /** The number of the policy version, which does not return when the version does. */
  readonly policyVersion: number
}

/** What a decision is filed under within its tenant. */
export interface Subject {
  /** The caller's SPIFFE ID. */
  readonly identity: string
  readonly key: DecisionKey
}

const NEWCOMERS_SHARE = 0.2
/** An end that is further away than this, about six days, is brought this near: it has to fit into a small integer. */
const MAX_TTL_MS = 2 ** 29
const MAX_OFFSET_MS = 2 ** 30 - 1

/**
 * The decisions of one tenant, by identity. Identities of which nothing was asked twice are newcomers, and have a fifth
 * of the room: a caller who brings ever new identities evicts other newcomers only.
 */
export class TenantPartition {
  readonly tenant: string
  readonly generation: Generation
  /** Evaluations under way, by identity and key. */
  readonly inFlight: Map<string, Promise<Decision>> = new Map()
  /** How many evaluations intend to store here. While there are any, the tenant has no second bucket. */
  holders = 0
  /** Set by an invalidation: what was decided before may neither be used nor stored. */
  retired = false

  readonly #maxDecisions: number
  readonly #newcomers: LRUCache<string, IdentityDecisions>
  readonly #residents: LRUCache<string, IdentityDecisions>
  #newcomersWeight = 0
  #residentsWeight = 0
  /** Ends are counted from here, in milliseconds. */
  #origin: number

  constructor(tenant: string, generation: Generation, maxDecisions: number, now: number) {
    this.tenant = tenant
    this.generation = generation
    this.#maxDecisions = maxDecisions
    this.#origin = now
    this.#newcomers = identities(maxDecisions)
    this.#residents = identities(maxDecisions)
  }

  get size(): number {
    let size = 0
    for (const segment of [this.#newcomers, this.#residents]) {
      for (const decisions of segment.values()) size += decisions.size
    }
    return size
  }

  /**
   * Whether the caller is allowed, if that is remembered and still good at `now`. A decision that has ended is kept for
   * `keptMs` more, for {@link last}.
   */
  get({ identity, key }: Subject, now: number, keptMs: number): boolean | undefined {
    const decisions = this.#residents.get(identity) ?? this.#newcomers.get(identity)
    if (decisions === undefined) return undefined
    const settled = decisions.getProtected(key)
    const packed = settled ?? decisions.getProbationary(key)
    if (packed === undefined) return undefined
    const endsAt = this.#endOf(packed)
    if (now < endsAt) {
      const isAllowed = allows(packed)
      if (isAllowed && settled === undefined) this.#settle(identity, decisions, key)
      return isAllowed
    }
    if (now >= endsAt + keptMs) this.#change(identity, decisions, () => decisions.delete(key))
    return undefined
  }

  /** What was last decided, if that ended less than `keptMs` ago. */
  last({ identity, key }: Subject, now: number, keptMs: number): boolean | undefined {
    const decisions = this.#residents.peek(identity) ?? this.#newcomers.peek(identity)
    const packed = decisions?.getProtected(key) ?? decisions?.getProbationary(key)
    if (packed === undefined || now >= this.#endOf(packed) + keptMs) return undefined
    return allows(packed)
  }

  set({ identity, key }: Subject, allowed: boolean, now: number, endsAt: number): void {
    const packed = this.#pack(allowed, now, endsAt)
    const decisions =
      this.#residents.get(identity) ?? this.#newcomers.get(identity) ?? this.#admit(identity)
    this.#change(identity, decisions, () => decisions.set(key, packed, this.#maxDecisions))
  }

  #admit(identity: string): IdentityDecisions {
    const decisions = new IdentityDecisions()
    this.#newcomers.set(identity, decisions)
    return decisions
  }

  #settle(identity: string, decisions: IdentityDecisions, key: DecisionKey): void {
    if (this.#newcomers.delete(identity)) {
      this.#newcomersWeight -= decisions.weight
      this.#residentsWeight += decisions.weight
      this.#residents.set(identity, decisions)
    }
    this.#change(identity, decisions, () => decisions.protect(key, this.#maxDecisions))
  }

  /** Keeps the books, and the bounds, while the decisions of an identity change. */
  #change(identity: string, decisions: IdentityDecisions, change: () => void): void {
    const before = decisions.weight
    change()
    const difference = decisions.weight - before
    if (this.#residents.has(identity)) this.#residentsWeight += difference
    else this.#newcomersWeight += difference
    if (decisions.size === 0) {
      this.#residents.delete(identity)
      this.#newcomers.delete(identity)
    }
    this.#evict()
  }

  #evict(): void {
    const newcomersBound = Math.max(1, Math.round(this.#maxDecisions * NEWCOMERS_SHARE))
    while (this.#newcomersWeight > newcomersBound && this.#newcomers.size > 1) {
      this.#newcomersWeight -= this.#newcomers.pop()?.weight ?? 0
    }
    while (this.#newcomersWeight + this.#residentsWeight > this.#maxDecisions) {
      const evicted = this.#residents.pop()
      if (evicted === undefined) break
      this.#residentsWeight -= evicted.weight
    }
  }

  #pack(allowed: boolean, now: number, endsAt: number): PackedDecision {
    const end = Math.min(endsAt, now + MAX_TTL_MS)
    if (end - this.#origin > MAX_OFFSET_MS) this.#restart(now)
    return Math.floor(end - this.#origin) * 2 + (allowed ? 1 : 0)
  }

  #endOf(packed: PackedDecision): number {
    return this.#origin + Math.floor(packed / 2)
  }

  #restart(now: number): void {
    this.#newcomers.clear()
    this.#residents.clear()
    this.#newcomersWeight = 0
    this.#residentsWeight = 0
    this.#origin = now
  }
}

const allows = (packed: PackedDecision): boolean => packed % 2 === 1

/** `maxSize` rather than `max`: with `max`, lru-cache allocates the whole segment for every tenant up front. */
function identities(maxSize: number): LRUCache<string, IdentityDecisions> {
  return new LRUCache({ maxSize, sizeCalculation: () => 1 })
}
