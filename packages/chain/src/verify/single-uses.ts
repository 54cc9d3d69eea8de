import { hash } from 'node:crypto'
import type { ChainRefusalCode } from '../refusal.ts'
import { MAX_SINGLE_USES } from '../wire/limits.ts'
import type { HopClaims } from '../wire/token.ts'

/**
 * Remembers the tokens that relays presented, until each has ended. What it may have forgotten counts as ended, also when the
 * clock is set back.
 */
export class SingleUses {
  readonly #seen = new Set<string>()
  /** The keys in {@link #seen}, by the second in which their tokens end. */
  readonly #byEnd = new Map<number, string[]>()
  readonly #max: number
  /** Seconds since the epoch: the latest that the clock has shown. Tokens that ended before are forgotten. */
  #horizon = 0

  constructor(max: number = MAX_SINGLE_USES) {
    this.#max = max
  }

  /** Takes a token whose signature holds, or says why not. */
  use({ sub, exp, singleUse }: HopClaims, now: number): ChainRefusalCode | null {
    this.#forget(Math.floor(now / 1000))
    if (singleUse === null || !(exp > this.#horizon)) return 'chain-expired'
    // As long for any SPIFFE ID.
    const key = hash('sha256', `${sub.toString()} ${singleUse.jti}`, 'base64url')
    if (this.#seen.has(key)) return 'chain-replayed'
    if (this.#seen.size >= this.#max) return 'chain-busy'
    this.#seen.add(key)
    const together = this.#byEnd.get(exp) ?? []
    together.push(key)
    this.#byEnd.set(exp, together)
    return null
  }

  /** There are as many ends as seconds that a token may live, and be ahead. */
  #forget(seconds: number): void {
    if (!(seconds > this.#horizon)) return
    this.#horizon = seconds
    for (const [end, keys] of this.#byEnd) {
      if (end > seconds) continue
      for (const key of keys) this.#seen.delete(key)
      this.#byEnd.delete(end)
    }
  }
}
