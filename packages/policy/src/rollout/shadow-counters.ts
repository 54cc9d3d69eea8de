import type { Call, CallReader } from '../call.ts'

/** How often two outcomes on the requests of one route were the same, and how they differed. */
export interface ShadowCounts {
  readonly method: string
  /** The URL pattern. */
  readonly route: string
  readonly agree: number
  /** Was let in, and would be refused. */
  readonly wouldDeny: number
  /** Was refused, and would be let in. */
  readonly wouldAllow: number
}

/** Two outcomes on one request: what became of it, and what would have. */
export interface OutcomePair {
  readonly enforced: boolean
  readonly considered: boolean
}

/** Counts outcomes against what would have been: one count for each pair, by route and method. */
export class ShadowCounters {
  readonly #reader: CallReader
  // Bounded by the routes of the application: a request that matches none is not counted.
  readonly #counts = new Map<string, { -readonly [Key in keyof ShadowCounts]: ShadowCounts[Key] }>()

  constructor(reader: CallReader) {
    this.#reader = reader
  }

  count(call: Call, { enforced, considered }: OutcomePair): void {
    const route = this.#reader.route(call)
    if (route === null) return
    const method = this.#reader.method(call)
    const key = `${method} ${route}`
    let counts = this.#counts.get(key)
    if (counts === undefined) {
      counts = { method, route, agree: 0, wouldDeny: 0, wouldAllow: 0 }
      this.#counts.set(key, counts)
    }
    if (enforced === considered) counts.agree++
    else if (enforced) counts.wouldDeny++
    else counts.wouldAllow++
  }

  list(): readonly ShadowCounts[] {
    return Array.from(this.#counts.values(), (counts) => Object.freeze({ ...counts }))
  }

  clear(): void {
    this.#counts.clear()
  }
}
