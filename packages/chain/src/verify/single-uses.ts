import { hash } from 'node:crypto'
import type { ChainRefusalCode } from '../refusal.ts'
import { MAX_SINGLE_USES, MAX_SINGLE_USES_OF_ONE } from '../wire/limits.ts'
import type { HopClaims } from '../wire/token.ts'

interface SingleUse {
  readonly key: string
  readonly signer: string
}

/**
 * Remembers the tokens that relays presented, until each has ended. What it may have forgotten counts as ended, also when the
 * clock is set back.
 */
export class SingleUses {
  readonly #seen = new Set<string>()
  /** What is in {@link #seen}, by the second in which the tokens end. */
  readonly #byEnd = new Map<number, SingleUse[]>()
  /** How many are of each signer. */
  readonly #counts = new Map<string, number>()
  readonly #max: number
  readonly #maxOfOne: number
  /** Seconds since the epoch: the latest that the clock has shown. Tokens that ended before are forgotten. */
  #horizon = 0

  constructor(max: number = MAX_SINGLE_USES, maxOfOne: number = MAX_SINGLE_USES_OF_ONE) {
    this.#max = max
    this.#maxOfOne = maxOfOne
  }

  /** Takes a token whose signature holds, or says why not. */
  use({ sub, exp, singleUse }: HopClaims, now: number): ChainRefusalCode | null {
    this.#forget(Math.floor(now / 1000))
    if (singleUse === null || !(exp > this.#horizon)) return 'chain-expired'
    const signer = sub.toString()
    // A hash: keys have the same length for every SPIFFE ID.
    const key = hash('sha256', `${signer} ${singleUse.jti}`, 'base64url')
    if (this.#seen.has(key)) return 'chain-replayed'
    const count = this.#counts.get(signer) ?? 0
    if (count >= this.#maxOfOne || this.#seen.size >= this.#max) return 'chain-busy'
    this.#seen.add(key)
    this.#counts.set(signer, count + 1)
    const together = this.#byEnd.get(exp) ?? []
    together.push({ key, signer })
    this.#byEnd.set(exp, together)
    return null
  }

  /** There are as many ends as seconds that a token may live, and be ahead. */
  #forget(seconds: number): void {
    if (!(seconds > this.#horizon)) return
    this.#horizon = seconds
    for (const [end, together] of this.#byEnd) {
      if (end > seconds) continue
      for (const use of together) this.#remove(use)
      this.#byEnd.delete(end)
    }
  }

  #remove({ key, signer }: SingleUse): void {
    this.#seen.delete(key)
    const count = this.#counts.get(signer)! - 1
    if (count === 0) this.#counts.delete(signer)
    else this.#counts.set(signer, count)
  }
}
