import type { SetTimer } from '@fastify-spiffe/spiffe'

/** Peers choose when their SVIDs expire: many of them must not keep the process busy. */
const MIN_DELAY_MS = 1000

/** Timers run on a clock of their own: that the other one was set, or the machine slept, shows late. */
const MAX_DELAY_MS = 60_000

/** One timer for whatever is due next. It rings at most once a second, and at least once a minute. */
export class WakeUp {
  readonly #clock: () => number
  readonly #setTimer: SetTimer
  readonly #task: () => void
  #at = Infinity
  #cancel: () => void = () => {}

  constructor(clock: () => number, setTimer: SetTimer, task: () => void) {
    this.#clock = clock
    this.#setTimer = setTimer
    this.#task = task
  }

  /**
   * Calls the task at `time` (ms since the epoch) at the latest: a second late when it is nearer than
   * that, early when it is further away than a minute. `Infinity` is never.
   */
  by(time: number): void {
    if (time === Infinity) return
    const now = this.#clock()
    const delay = time - now > MIN_DELAY_MS ? Math.min(time - now, MAX_DELAY_MS) : MIN_DELAY_MS
    if (now + delay >= this.#at) return
    this.cancel()
    this.#at = now + delay
    this.#cancel = this.#setTimer(() => {
      this.#at = Infinity
      this.#task()
    }, delay)
  }

  cancel(): void {
    this.#cancel()
    this.#cancel = () => {}
    this.#at = Infinity
  }
}
