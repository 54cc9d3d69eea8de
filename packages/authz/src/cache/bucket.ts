import { LRUCache } from 'lru-cache'
import type { Decision } from '../decide/decision.ts'

/** What decisions depend on besides their key: every entry of a bucket was made under one generation. */
export interface Generation {
  readonly epoch: number
  readonly policyVersion: string | number
}

/** One remembered decision. Times are milliseconds since the epoch. */
export interface Entry {
  readonly allowed: boolean
  readonly storedAt: number
  readonly expiresAt: number
  /** Until when it may stand in for an answer that fails. */
  readonly keptUntil: number
}

const PROBATION_SHARE = 0.2
/** A key of up to this many characters counts as one decision, a longer one as several: long keys cannot fill the memory. */
const CHARACTERS_PER_DECISION = 256

/**
 * The decisions of one tenant, in two segments: what is new waits in `probation`, and an allow that is asked for again
 * moves to `protected`. A caller who makes up ever new keys evicts others from probation only.
 */
export class Bucket {
  readonly tenant: string
  readonly generation: Generation
  /** Evaluations under way, by the key of their decision. */
  readonly flights: Map<string, Promise<Decision>> = new Map()
  /** How many evaluations intend to store here. While there are any, the tenant has no second bucket. */
  holders = 0
  /** Set by an invalidation: what was decided before may neither be used nor stored. */
  retired = false

  readonly #probation: LRUCache<string, Entry>
  readonly #protected: LRUCache<string, Entry>

  constructor(tenant: string, generation: Generation, maxDecisions: number) {
    this.tenant = tenant
    this.generation = generation
    const probation = Math.max(1, Math.round(maxDecisions * PROBATION_SHARE))
    this.#probation = segment(probation)
    this.#protected = segment(maxDecisions - probation)
  }

  get size(): number {
    return this.#probation.size + this.#protected.size
  }

  /** Whether the caller is allowed, if that is remembered, still good at `now`, and at most `maxAgeMs` old. */
  get(key: string, now: number, maxAgeMs: number): boolean | undefined {
    const settled = fresh(this.#protected, key, now, maxAgeMs)
    if (settled !== undefined) return settled.allowed
    const recent = fresh(this.#probation, key, now, maxAgeMs)
    if (recent?.allowed === true) {
      this.#probation.delete(key)
      this.#protected.set(key, recent)
    }
    return recent?.allowed
  }

  /** What was last decided for this key, if it may stand in for an answer that fails. */
  last(key: string, now: number): boolean | undefined {
    const entry = this.#protected.peek(key) ?? this.#probation.peek(key)
    return entry !== undefined && isKept(entry, now) ? entry.allowed : undefined
  }

  set(key: string, entry: Entry): void {
    this.#protected.delete(key)
    this.#probation.set(key, entry)
  }
}

/** `maxSize` rather than `max`: with `max`, lru-cache allocates the whole segment for every tenant up front. */
function segment(maxSize: number): LRUCache<string, Entry> {
  return new LRUCache({
    maxSize,
    sizeCalculation: (_entry, key) => 1 + Math.floor(key.length / CHARACTERS_PER_DECISION),
  })
}

function fresh(
  entries: LRUCache<string, Entry>,
  key: string,
  now: number,
  maxAgeMs: number,
): Entry | undefined {
  const entry = entries.get(key)
  if (entry === undefined) return undefined
  const age = now - entry.storedAt
  // A clock that was set back must not lengthen the life of a decision.
  if (now < entry.expiresAt && age >= 0 && age <= maxAgeMs) return entry
  if (!isKept(entry, now)) entries.delete(key)
  return undefined
}

function isKept({ storedAt, keptUntil }: Entry, now: number): boolean {
  return now >= storedAt && now < keptUntil
}
