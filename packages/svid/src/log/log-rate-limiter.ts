const WINDOW_MS = 10_000
const LINES_PER_WINDOW = 10

/** Writes at most ten lines in ten seconds; one line at the end of that time stands for all that were suppressed. */
export class LogRateLimiter {
  readonly #write: (suppressed: number) => void
  #left = LINES_PER_WINDOW
  #suppressed = 0
  #timer: NodeJS.Timeout | undefined

  /** @param write writes a line about the current state, with the number of suppressed lines */
  constructor(write: (suppressed: number) => void) {
    this.#write = write
  }

  /** Writes a line now, or counts it as suppressed. */
  log(): void {
    if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#renew(), WINDOW_MS)
      this.#timer.unref()
    }
    if (this.#left === 0) {
      this.#suppressed += 1
      return
    }
    this.#left -= 1
    this.#write(0)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #renew(): void {
    const suppressed = this.#suppressed
    this.#timer = undefined
    this.#left = LINES_PER_WINDOW
    this.#suppressed = 0
    if (suppressed === 0) return
    this.#left -= 1
    this.#write(suppressed)
  }
}
