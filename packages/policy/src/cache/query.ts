import type { Decision } from '../decision/decision.ts'
import type { Outcomes, StaleOutcomes } from '../decision/outcomes.ts'
import type { Subject } from './tenant-partition.ts'

/** One question to the cache about a call. */
export interface CacheQuery extends Subject, FreshQuery {
  /** When the caller's SVID expires: no decision about it outlives it. Milliseconds since the epoch. */
  readonly notAfter: number
}

/** One question past the cache. */
export interface FreshQuery {
  /** The key of the caller's tenant. */
  readonly tenant: string
}

/** What is asked where nothing is remembered. Made once for each requirement, since it is the same for all calls. */
export interface FreshCheck<Query> {
  /** What the answers are called. */
  readonly outcomes: Outcomes
  readonly evaluate: (query: Query) => Decision | Promise<Decision>
}

/** What the cache stands before. */
export interface CachedCheck<Query> extends FreshCheck<Query> {
  /** How old a cached decision may be, in milliseconds. */
  readonly maxAgeMs: number
  /** What may be used when the evaluation fails; `null`: nothing. */
  readonly stale: StaleOutcomes | null
}
