/** The shape of a {@link Backoff}. */
export interface BackoffBounds {
  /** The shortest wait, in milliseconds. */
  readonly initialMs: number
  /** The longest wait, in milliseconds. */
  readonly maxMs: number
}

/**
 * Exponential backoff with full jitter: the nth wait is anywhere between `initialMs` and a ceiling
 * that starts at twice `initialMs` and doubles up to `maxMs`. The floor bounds the rate of calls, the
 * jitter keeps the workloads of a node from calling in step.
 */
export class Backoff {
  readonly #bounds: BackoffBounds
  readonly #random: () => number
  #ceilingMs: number

  constructor(bounds: BackoffBounds, random: () => number) {
    this.#bounds = bounds
    this.#random = random
    this.#ceilingMs = bounds.initialMs
  }

  /** The next wait, in milliseconds. */
  next(): number {
    const { initialMs, maxMs } = this.#bounds
    this.#ceilingMs = Math.min(this.#ceilingMs * 2, maxMs)
    return initialMs + this.#random() * (this.#ceilingMs - initialMs)
  }

  /** Starts over, as after a success. */
  reset(): void {
    this.#ceilingMs = this.#bounds.initialMs
  }
}
