const WINDOW_MS = 1000
const MESSAGES_PER_WINDOW = 10

/** Lets ten messages a second through. */
export class MessageBudget {
  #windowEnd = Number.NEGATIVE_INFINITY
  #left = 0

  take(now: number): boolean {
    // A clock that was set back begins a new window too.
    if (now >= this.#windowEnd || now < this.#windowEnd - WINDOW_MS) {
      this.#windowEnd = now + WINDOW_MS
      this.#left = MESSAGES_PER_WINDOW
    }
    if (this.#left === 0) return false
    this.#left--
    return true
  }
}
