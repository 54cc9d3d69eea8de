const WINDOW_MS = 1000
const LIMIT = 10
const MAX_DEBT = 5

/**
 * Allows ten messages a second. The first message of each kind in a second is allowed beyond that, five
 * at most, and is taken off the next second: one frequent kind must not hide the others.
 */
export class RateLimiter {
  #windowEnd = Number.NEGATIVE_INFINITY
  #left = 0
  readonly #seenKinds = new Set<string>()

  /** Returns whether a message of this kind is allowed at `now` (ms since the epoch), and counts it. */
  tryAcquire(now: number, kind = ''): boolean {
    // A new window also begins when the clock was set back.
    if (now >= this.#windowEnd || now < this.#windowEnd - WINDOW_MS) {
      const debt = now < this.#windowEnd + WINDOW_MS ? Math.min(0, this.#left) : 0
      this.#windowEnd = now + WINDOW_MS
      this.#left = LIMIT + debt
      this.#seenKinds.clear()
    }
    const isDue = this.#left > 0 || (!this.#seenKinds.has(kind) && this.#left > -MAX_DEBT)
    if (!isDue) return false
    this.#left--
    this.#seenKinds.add(kind)
    return true
  }
}
