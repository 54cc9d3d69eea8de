import { MAX_TIMER_MS, type SetTimer } from '@fastify-spiffe/spiffe'

/** Peers choose when their SVIDs expire: many of them must not keep the process busy. */
const MIN_DELAY_MS = 1000

/** One timer for whatever is due next. It rings at most once a second. */
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
   * that, early when it is too far for a timer. `Infinity` is never.
   */
  by(time: number): void {
    if (time === Infinity) return
    const now = this.#clock()
    const delay = time - now > MIN_DELAY_MS ? Math.min(time - now, MAX_TIMER_MS) : MIN_DELAY_MS
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
