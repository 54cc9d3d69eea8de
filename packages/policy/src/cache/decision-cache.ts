import { type Decision, isAnswer, isEngineFailure } from '../decision/decision.ts'
import type { StaleOutcomes } from '../decision/outcomes.ts'
import { TenantCache } from '../principals/tenant-cache.ts'
import { TenantPartition, type Generation, type Subject } from './tenant-partition.ts'
import type { CachedCheck, CacheQuery, FreshCheck, FreshQuery } from './query.ts'
import { versionCounter } from '../version-counter.ts'

/** How many decisions are cached, and for how long. */
export interface DecisionCacheOptions {
  /**
   * Tenants of one trust domain with cached decisions; the least recently used of that domain goes
   * first.
   */
  readonly maxTenants: number
  readonly maxDecisionsPerTenant: number
  readonly allowTtlMs: number
  readonly denyTtlMs: number
  /** Names what the checks consult: when it changes, the whole cache is void. */
  readonly policyVersion: () => string | number
  readonly clock: () => number
  readonly random: () => number
  /** Whether the cache may be used. Default: always. */
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

/** Allows live this much longer or shorter, so that what was decided together does not expire together. */
const TTL_JITTER = 0.1

/**
 * The decisions of conditions and engines, cached in one bucket per tenant. Only a clear yes or no
 * is kept, never a failure. Callers with the same question wait for one evaluation, also while
 * nothing may be cached. A tenant, or everything, is forgotten in constant time, and an evaluation
 * that was running when that happened is repeated once and not trusted.
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
  decide<Query extends CacheQuery>(
    query: Query,
    check: CachedCheck<Query>,
  ): Decision | Promise<Decision> {
    const now = this.#now()
    const { tenant } = query
    const isUsable = this.#isUsable()
    // While it is not usable nothing is forgotten: it may be good again.
    const bucket = isUsable ? this.#bucketOf(tenant, now) : this.#unplacedBucketOf(tenant, now)
    const remembered = isUsable ? this.#recall(bucket, query, check, now) : undefined
    if (remembered !== undefined) return remembered

    const flight = bucket.inFlight.get(flightKey(query))
    if (flight !== undefined) return flight
    this.#evaluations++
    const outcome = check.evaluate(query)
    if (outcome instanceof Promise) return this.#fly(bucket, query, check, outcome)
    return this.#keep(bucket, query, check, outcome) ?? check.outcomes.outdated
  }

  #recall(
    bucket: TenantPartition,
    query: CacheQuery,
    { outcomes, stale }: Pick<CachedCheck<never>, 'outcomes' | 'stale'>,
    now: number,
  ): Decision | undefined {
    const isAllowed = bucket.get(query, now, stale?.ms ?? 0)
    if (isAllowed === undefined) {
      this.#misses++
      return undefined
    }
    this.#hits++
    return isAllowed ? outcomes.allowedCached : outcomes.refusedCached
  }

  /** Answers from an evaluation of its own, and remembers nothing. One that an invalidation overtakes is repeated once. */
  decideAfresh<Query extends FreshQuery>(
    query: Query,
    { outcomes, evaluate }: FreshCheck<Query>,
  ): Decision | Promise<Decision> {
    const outcome = evaluate(query)
    // Nothing can overtake what is answered at once.
    if (!(outcome instanceof Promise)) return outcome
    return this.#unlessOvertaken(query.tenant, outcome).then(async (first) => {
      if (first !== null) return first
      const second = await this.#unlessOvertaken(query.tenant, Promise.resolve(evaluate(query)))
      return second ?? outcomes.outdated
    })
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
  #fly<Query extends CacheQuery>(
    bucket: TenantPartition,
    query: Query,
    check: CachedCheck<Query>,
    outcome: Promise<Decision>,
  ): Promise<Decision> {
    const flight = this.#holding(bucket, async () => {
      try {
        return this.#keep(bucket, query, check, await outcome)
      } finally {
        bucket.inFlight.delete(flightKey(query))
      }
    }).then((decision) => decision ?? this.#repeat(query, check))
    bucket.inFlight.set(flightKey(query), flight)
    return flight
  }

  async #repeat<Query extends CacheQuery>(
    query: Query,
    check: CachedCheck<Query>,
  ): Promise<Decision> {
    const bucket = this.#bucketOf(query.tenant, this.#now())
    return await this.#holding(bucket, async () => {
      this.#evaluations++
      const decision = await check.evaluate(query)
      return this.#keep(bucket, query, check, decision) ?? check.outcomes.outdated
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

  /** Remembers a decision, or returns `null` when the bucket was invalidated while it was made. */
  #keep(
    bucket: TenantPartition,
    query: CacheQuery,
    { maxAgeMs, stale }: Pick<CachedCheck<never>, 'maxAgeMs' | 'stale'>,
    decision: Decision,
  ): Decision | null {
    const now = this.#now()
    if (!this.#isCurrent(bucket)) return null
    if (!this.#isUsable()) return decision
    if (isAnswer(decision)) {
      const ttlMs = decision.allowed ? this.#allowTtlMs() : this.#options.denyTtlMs
      const endsAt = Math.min(now + ttlMs, now + maxAgeMs, query.notAfter)
      if (endsAt > now) bucket.set(query, decision.allowed, now, endsAt)
      return decision
    }
    if (stale === null || !isEngineFailure(decision)) return decision
    return staleDecision(bucket, query, stale, now) ?? decision
  }

  #allowTtlMs(): number {
    const { allowTtlMs, random } = this.#options
    return Math.round(allowTtlMs * (1 - TTL_JITTER + 2 * TTL_JITTER * random()))
  }

  /** When the clock is set back, the age of entries is unknown. */
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

  /** The same if nothing will be cached in it: it evicts no other. */
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

  /** Whether the cache may be used and filled. */
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

/** What was decided last, in place of what an engine fails to decide. Never past the end of the caller's SVID. */
function staleDecision(
  bucket: TenantPartition,
  query: CacheQuery,
  stale: StaleOutcomes,
  now: number,
): Decision | undefined {
  const last = now < query.notAfter ? bucket.last(query, now, stale.ms) : undefined
  if (last === undefined) return undefined
  return last ? stale.allowed : stale.refused
}

/** A key that is a string is never that of a number: it has a separator. */
function flightKey({ identity, key }: Subject): string {
  return `${identity}\0${key}`
}
