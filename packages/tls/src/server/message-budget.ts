const WINDOW_MS = 1000
const MESSAGES_PER_WINDOW = 10
const MAX_DEBT = 5

/**
 * Lets ten messages a second through. A kind that has not been told of in the last second is told of
 * even then, at the expense of the second that follows: one noisy kind must not hide the others.
 */
export class MessageBudget {
  #windowEnd = Number.NEGATIVE_INFINITY
  #left = 0
  readonly #told = new Set<string>()

  take(now: number, kind = ''): boolean {
    // A clock that was set back begins a new window too.
    if (now >= this.#windowEnd || now < this.#windowEnd - WINDOW_MS) {
      const debt = now < this.#windowEnd + WINDOW_MS ? Math.min(0, this.#left) : 0
      this.#windowEnd = now + WINDOW_MS
      this.#left = MESSAGES_PER_WINDOW + debt
      this.#told.clear()
    }
    const isDue = this.#left > 0 || (!this.#told.has(kind) && this.#left > -MAX_DEBT)
    if (!isDue) return false
    this.#left--
    this.#told.add(kind)
    return true
  }
}
