const FIRST_MS = 100
const MAX_MS = 10_000

/** When files that were refused are read again although nothing happens to them: 100 ms to 10 s later. */
export class Retry {
  #nextMs = FIRST_MS

  /** The next wait, in milliseconds. */
  next(): number {
    const delayMs = this.#nextMs
    this.#nextMs = Math.min(delayMs * 2, MAX_MS)
    return delayMs
  }

  /** Starts over. */
  reset(): void {
    this.#nextMs = FIRST_MS
  }

  /** In how many ms an SVID is looked at again that becomes valid at a time; the clock may be set meanwhile. */
  static until(validFrom: number, now: number): number {
    return Math.min(Math.max(Math.ceil(validFrom - now), 1), MAX_MS)
  }
}
