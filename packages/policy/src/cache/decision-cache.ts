import type { Decision } from '../decision/decision.ts'
import type { StandIn, Verdicts } from '../decision/outcomes.ts'
import { TenantCache } from '../principals/tenant-cache.ts'
import { TenantPartition, type Generation, type Subject } from './tenant-partition.ts'
import { versionCounter } from '../version-counter.ts'

/** How many decisions are remembered, and for how long. */
export interface DecisionCacheOptions {
  /** Tenants of one trust domain with remembered decisions; the least recently used of that domain goes first. */
  readonly maxTenants: number
  readonly maxDecisionsPerTenant: number
  readonly allowTtlMs: number
  readonly denyTtlMs: number
  /** Names what the checks consult: when it changes, everything remembered is void. */
  readonly policyVersion: () => string | number
  readonly clock: () => number
  readonly random: () => number
  /** Whether what is remembered may be used. Default: always. */
  readonly isCurrent?: () => boolean
}

/** What the cache holds, and what it has done since the boot. */
export interface DecisionCacheStats {
  readonly tenants: number
  readonly decisions: number
  /** Answers from memory. */
  readonly hits: number
  /** Look-ups that found nothing. */
  readonly misses: number
  /** Calls of a check on behalf of the cache; fewer than `misses` when callers waited for one another. */
  readonly evaluations: number
}

/** A question of which nothing is remembered. */
export interface FreshQuery {
  readonly tenant: string
  /** What the answers are called. */
  readonly verdicts: Verdicts
  readonly evaluate: () => Decision | Promise<Decision>
}

/** One question to the cache. */
export interface CacheQuery extends Subject, FreshQuery {
  /** When the caller's SVID expires: no decision about it outlives it. Milliseconds since the epoch. */
  readonly notAfter: number
  /** How old a remembered decision may be, in milliseconds. */
  readonly maxAgeMs: number
  /** What may stand in when the evaluation fails; `null`: nothing may. */
  readonly standIn: StandIn | null
}

/** Allows live this much longer or shorter, so that what was decided together does not expire together. */
const TTL_JITTER = 0.1

/**
 * The decisions of conditions and engines, remembered in one bucket per tenant. Only a clear yes or no is kept, never
 * a failure. Callers with the same question wait for one evaluation, also while nothing may be remembered. A tenant, or
 * everything, is forgotten in constant time, and an evaluation that was under way when that happened is repeated once
 * rather than believed.
 */
export class DecisionCache {
  readonly #options: DecisionCacheOptions
  readonly #policyVersion: () => number
  readonly #buckets: TenantCache<TenantPartition>
  /**
   * The buckets of tenants with evaluations under way. The cache may evict such a bucket, and an invalidation still has to
   * reach it.
   */
  readonly #held: Map<string, TenantPartition> = new Map()
  #epoch = 0
  #latest = -Infinity
  #hits = 0
  #misses = 0
  #evaluations = 0

  constructor(options: DecisionCacheOptions) {
    this.#options = options
    this.#policyVersion = versionCounter(options.policyVersion)
    this.#buckets = new TenantCache({ maxTenants: options.maxTenants })
  }

  /** Answers from memory at once, or from an evaluation; a synchronous evaluation is answered synchronously. */
  decide(question: CacheQuery): Decision | Promise<Decision> {
    const now = this.#now()
    // Nothing is forgotten meanwhile: it may be good again.
    if (!this.#isUsable()) return this.#ask(this.#unplacedBucketOf(question.tenant, now), question)
    const { verdicts, standIn } = question
    const bucket = this.#bucketOf(question.tenant, now)
    const known = bucket.get(question, now, standIn?.ms ?? 0)
    if (known !== undefined) {
      this.#hits++
      return known ? verdicts.allowedBefore : verdicts.refusedBefore
    }
    this.#misses++
    return this.#ask(bucket, question)
  }

  /** Answers from an evaluation of its own, and remembers nothing. One that an invalidation overtakes is repeated once. */
  decideAfresh({ tenant, verdicts, evaluate }: FreshQuery): Decision | Promise<Decision> {
    const outcome = evaluate()
    // Nothing can overtake what is answered at once.
    if (!(outcome instanceof Promise)) return outcome
    return this.#unlessOvertaken(tenant, outcome).then(async (first) => {
      if (first !== null) return first
      const second = await this.#unlessOvertaken(tenant, Promise.resolve(evaluate()))
      return second ?? verdicts.outdated
    })
  }

  #ask(bucket: TenantPartition, question: CacheQuery): Decision | Promise<Decision> {
    const flight = bucket.inFlight.get(flightKey(question))
    if (flight !== undefined) return flight

    const outcome = this.#evaluate(question)
    if (!(outcome instanceof Promise))
      return this.#keep(bucket, question, outcome) ?? question.verdicts.outdated
    return this.#fly(bucket, question, outcome)
  }

  /** Forgets the decisions of one tenant, or of all. Evaluations under way are repeated. */
  invalidate(tenant?: string): void {
    if (tenant === undefined) {
      this.#epoch++
      return
    }
    const bucket = this.#buckets.peek(tenant) ?? this.#held.get(tenant)
    if (bucket !== undefined) this.#retire(bucket)
  }

  stats(): DecisionCacheStats {
    let tenants = 0
    let decisions = 0
    for (const bucket of this.#buckets.values()) {
      if (!this.#isCurrent(bucket)) continue
      tenants++
      decisions += bucket.size
    }
    const [hits, misses, evaluations] = [this.#hits, this.#misses, this.#evaluations]
    return Object.freeze({ tenants, decisions, hits, misses, evaluations })
  }

  /** Waits for an evaluation that others may join, and repeats it once when an invalidation overtook it. */
  #fly(
    bucket: TenantPartition,
    question: CacheQuery,
    outcome: Promise<Decision>,
  ): Promise<Decision> {
    const flight = this.#holding(bucket, async () => {
      try {
        return this.#keep(bucket, question, await outcome)
      } finally {
        bucket.inFlight.delete(flightKey(question))
      }
    }).then((decision) => decision ?? this.#repeat(question))
    bucket.inFlight.set(flightKey(question), flight)
    return flight
  }

  async #repeat(question: CacheQuery): Promise<Decision> {
    const bucket = this.#bucketOf(question.tenant, this.#now())
    return await this.#holding(bucket, async () => {
      return (
        this.#keep(bucket, question, await this.#evaluate(question)) ?? question.verdicts.outdated
      )
    })
  }

  /** The decision, or `null` when the tenant was invalidated while it was made. */
  #unlessOvertaken(tenant: string, outcome: Promise<Decision>): Promise<Decision | null> {
    const bucket = this.#unplacedBucketOf(tenant, this.#now())
    return this.#holding(bucket, async () => {
      const decision = await outcome
      return this.#isCurrent(bucket) ? decision : null
    })
  }

  #evaluate(question: CacheQuery): Decision | Promise<Decision> {
    this.#evaluations++
    return question.evaluate()
  }

  /** Remembers a decision, or returns `null` when the bucket was invalidated while it was made. */
  #keep(bucket: TenantPartition, question: CacheQuery, decision: Decision): Decision | null {
    const now = this.#now()
    if (!this.#isCurrent(bucket)) return null
    if (!this.#isUsable()) return decision
    const { verdicts, standIn } = question
    if (decision === verdicts.allowed) {
      const { allowTtlMs, random } = this.#options
      const ttlMs = Math.round(allowTtlMs * (1 - TTL_JITTER + 2 * TTL_JITTER * random()))
      store(bucket, question, { allowed: true, now, ttlMs })
    } else if (decision === verdicts.refused) {
      store(bucket, question, { allowed: false, now, ttlMs: this.#options.denyTtlMs })
    } else if (standIn !== null && isFailure(decision)) {
      const last = now < question.notAfter ? bucket.last(question, now, standIn.ms) : undefined
      if (last !== undefined) return last ? standIn.allowed : standIn.refused
    }
    return decision
  }

  /** When the clock is set back nobody knows how old anything is. */
  #now(): number {
    const now = this.#options.clock()
    // Written so that a clock which gives NaN counts as set back.
    if (!(now >= this.#latest)) this.#epoch++
    this.#latest = now
    return now
  }

  /** The one bucket of a tenant that may be used now. */
  #bucketOf(tenant: string, now: number): TenantPartition {
    const recent = this.#buckets.get(tenant)
    if (recent !== undefined && this.#isCurrent(recent)) return recent
    const bucket = this.#unplacedBucketOf(tenant, now)
    this.#buckets.set(tenant, bucket)
    return bucket
  }

  /** The same where nothing will be remembered in it: it evicts no other. */
  #unplacedBucketOf(tenant: string, now: number): TenantPartition {
    const known = this.#buckets.peek(tenant) ?? this.#held.get(tenant)
    return known !== undefined && this.#isCurrent(known) ? known : this.#replace(tenant, known, now)
  }

  #replace(tenant: string, outdated: TenantPartition | undefined, now: number): TenantPartition {
    if (outdated !== undefined) this.#retire(outdated)
    return new TenantPartition(tenant, this.#generation(), this.#options.maxDecisionsPerTenant, now)
  }

  #retire(bucket: TenantPartition): void {
    bucket.retired = true
    this.#buckets.delete(bucket.tenant)
    this.#held.delete(bucket.tenant)
  }

  async #holding<T>(bucket: TenantPartition, work: () => Promise<T>): Promise<T> {
    bucket.holders++
    this.#held.set(bucket.tenant, bucket)
    try {
      return await work()
    } finally {
      bucket.holders--
      if (bucket.holders === 0 && this.#held.get(bucket.tenant) === bucket) {
        this.#held.delete(bucket.tenant)
      }
    }
  }

  #generation(): Generation {
    return { epoch: this.#epoch, policyVersion: this.#policyVersion() }
  }

  /** Whether what is remembered may be used, and more be remembered. */
  #isUsable(): boolean {
    return this.#options.isCurrent?.() ?? true
  }

  #isCurrent(bucket: TenantPartition): boolean {
    return (
      !bucket.retired &&
      bucket.generation.epoch === this.#epoch &&
      bucket.generation.policyVersion === this.#policyVersion()
    )
  }
}

/** An engine that has too many questions has not failed, and neither has one whose tenant has used up its quota. */
function isFailure({ engine, reason }: Decision): boolean {
  return engine !== undefined && reason !== 'engine-busy'
}

function store(
  bucket: TenantPartition,
  question: CacheQuery,
  { allowed, now, ttlMs }: { allowed: boolean; now: number; ttlMs: number },
): void {
  const endsAt = Math.min(now + ttlMs, now + question.maxAgeMs, question.notAfter)
  if (endsAt > now) bucket.set(question, allowed, now, endsAt)
}

/** A key that is a text is never that of a number: it has a separator. */
function flightKey({ identity, key }: Subject): string {
  return `${identity}\0${key}`
}
