import { LRUCache } from 'lru-cache'
import type { Decision } from '../decision/decision.ts'
import type { DecisionKey, PackedDecision } from './decision-list.ts'
import { IdentityDecisions } from './identity-decisions.ts'

/** What decisions depend on besides their key. All decisions of a partition have the same generation. */
export interface Generation {
  readonly epoch: number
  /** The number of the policy version, which does not return when the version does. */
  readonly policyVersion: number
}

/** The key of a decision within its tenant. */
export interface Subject {
  /** The caller's SPIFFE ID. */
  readonly identity: string
  readonly key: DecisionKey
}

const PROBATIONARY_RATIO = 0.2
/** The longest lifetime of a decision, about six days: its end has to fit into a small integer. */
const MAX_TTL_MS = 2 ** 29
const MAX_OFFSET_MS = 2 ** 30 - 1

/**
 * The decisions of one tenant, by identity, in a segmented LRU cache. An identity is probationary until one of its allows
 * is used again; probationary identities have a fifth of the capacity, so that a caller with ever new identities evicts
 * only other probationary ones.
 */
export class TenantPartition {
  readonly tenant: string
  readonly generation: Generation
  /** Evaluations under way, by identity and key. */
  readonly inFlight: Map<string, Promise<Decision>> = new Map()
  /** How many evaluations will store their result here. Until they end, the tenant has no second partition. */
  holders = 0
  /** Set by an invalidation: earlier decisions may neither be used nor stored. */
  retired = false

  readonly #maxDecisions: number
  readonly #probationary: LRUCache<string, IdentityDecisions>
  readonly #protected: LRUCache<string, IdentityDecisions>
  #probationaryWeight = 0
  #protectedWeight = 0
  /** The ends of decisions are relative to this time, in milliseconds. */
  #origin: number

  constructor(tenant: string, generation: Generation, maxDecisions: number, now: number) {
    this.tenant = tenant
    this.generation = generation
    this.#maxDecisions = maxDecisions
    this.#origin = now
    this.#probationary = identities(maxDecisions)
    this.#protected = identities(maxDecisions)
  }

  get size(): number {
    let size = 0
    for (const segment of [this.#probationary, this.#protected]) {
      for (const decisions of segment.values()) size += decisions.size
    }
    return size
  }

  /**
   * Whether the caller is allowed, if a cached decision is valid at `now`. A decision that has ended is kept for
   * `keptMs` more, for {@link last}.
   */
  get({ identity, key }: Subject, now: number, keptMs: number): boolean | undefined {
    const decisions = this.#protected.get(identity) ?? this.#probationary.get(identity)
    if (decisions === undefined) return undefined
    const protectedDecision = decisions.getProtected(key)
    const packed = protectedDecision ?? decisions.getProbationary(key)
    if (packed === undefined) return undefined
    const endsAt = this.#endOf(packed)
    if (now < endsAt) {
      const isAllowed = allows(packed)
      if (isAllowed && protectedDecision === undefined) this.#protect(identity, decisions, key)
      return isAllowed
    }
    if (now >= endsAt + keptMs) this.#change(identity, decisions, () => decisions.delete(key))
    return undefined
  }

  /** The last decision, if it ended less than `keptMs` ago. */
  last({ identity, key }: Subject, now: number, keptMs: number): boolean | undefined {
    const decisions = this.#protected.peek(identity) ?? this.#probationary.peek(identity)
    const packed = decisions?.getProtected(key) ?? decisions?.getProbationary(key)
    if (packed === undefined || now >= this.#endOf(packed) + keptMs) return undefined
    return allows(packed)
  }

  set({ identity, key }: Subject, allowed: boolean, now: number, endsAt: number): void {
    const packed = this.#pack(allowed, now, endsAt)
    const decisions =
      this.#protected.get(identity) ?? this.#probationary.get(identity) ?? this.#admit(identity)
    this.#change(identity, decisions, () => decisions.set(key, packed, this.#maxDecisions))
  }

  #admit(identity: string): IdentityDecisions {
    const decisions = new IdentityDecisions()
    this.#probationary.set(identity, decisions)
    return decisions
  }

  #protect(identity: string, decisions: IdentityDecisions, key: DecisionKey): void {
    if (this.#probationary.delete(identity)) {
      this.#probationaryWeight -= decisions.weight
      this.#protectedWeight += decisions.weight
      this.#protected.set(identity, decisions)
    }
    this.#change(identity, decisions, () => decisions.protect(key, this.#maxDecisions))
  }

  /** Changes the decisions of an identity, updates the weights, and evicts what exceeds the limits. */
  #change(identity: string, decisions: IdentityDecisions, change: () => void): void {
    const before = decisions.weight
    change()
    const difference = decisions.weight - before
    if (this.#protected.has(identity)) this.#protectedWeight += difference
    else this.#probationaryWeight += difference
    if (decisions.size === 0) {
      this.#protected.delete(identity)
      this.#probationary.delete(identity)
    }
    this.#evict()
  }

  #evict(): void {
    const maxProbationaryWeight = Math.max(1, Math.round(this.#maxDecisions * PROBATIONARY_RATIO))
    while (this.#probationaryWeight > maxProbationaryWeight && this.#probationary.size > 1) {
      this.#probationaryWeight -= this.#probationary.pop()?.weight ?? 0
    }
    while (this.#probationaryWeight + this.#protectedWeight > this.#maxDecisions) {
      const evicted = this.#protected.pop()
      if (evicted === undefined) break
      this.#protectedWeight -= evicted.weight
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
    this.#probationary.clear()
    this.#protected.clear()
    this.#probationaryWeight = 0
    this.#protectedWeight = 0
    this.#origin = now
  }
}

const allows = (packed: PackedDecision): boolean => packed % 2 === 1

/** `maxSize` rather than `max`: with `max`, lru-cache allocates the whole segment for every tenant up front. */
function identities(maxSize: number): LRUCache<string, IdentityDecisions> {
  return new LRUCache({ maxSize, sizeCalculation: () => 1 })
}
