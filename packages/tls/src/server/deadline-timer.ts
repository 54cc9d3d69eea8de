import type { SetTimer } from '@fastify-spiffe/spiffe'

/** Peers choose when their SVIDs expire: many different times must not keep the process busy. */
const MIN_DELAY_MS = 1000

/** A timer does not notice that the system clock was set, or that the machine was suspended. */
const MAX_DELAY_MS = 60_000

/** One timer for the next of many deadlines. It fires at most once a second, and at least once a minute. */
export class DeadlineTimer {
  readonly #clock: () => number
  readonly #setTimer: SetTimer
  readonly #task: () => void
  #dueAt = Infinity
  #cancel: () => void = () => {}

  constructor(clock: () => number, setTimer: SetTimer, task: () => void) {
    this.#clock = clock
    this.#setTimer = setTimer
    this.#task = task
  }

  /**
   * Runs the task by `time` (ms since the epoch): a second from now if that is sooner, and a minute from
   * now at the latest. `Infinity`: no deadline.
   */
  scheduleBy(time: number): void {
    if (time === Infinity) return
    const now = this.#clock()
    const delay = time - now > MIN_DELAY_MS ? Math.min(time - now, MAX_DELAY_MS) : MIN_DELAY_MS
    if (now + delay >= this.#dueAt) return
    this.cancel()
    this.#dueAt = now + delay
    this.#cancel = this.#setTimer(() => {
      this.#dueAt = Infinity
      this.#task()
    }, delay)
  }

  cancel(): void {
    this.#cancel()
    this.#cancel = () => {}
    this.#dueAt = Infinity
  }
}
