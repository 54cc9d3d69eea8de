import { type SetTimer } from '@fastify-spiffe/spiffe'
import { MAX_TIMER_MS } from '@fastify-spiffe/spiffe/internal'

/** The shortest delay, so that a short-lived SVID does not keep the process busy. */
const MIN_DELAY_MS = 10

/** Half of the time between `from` and `to`: when SPIRE renews. */
export function halfLife(from: number, to: number): number {
  return from + (to - from) / 2
}

/** A timer for the next task that is due. */
export class Schedule {
  readonly #clock: () => number
  readonly #setTimer: SetTimer
  readonly #task: () => void
  #cancel: () => void = () => {}
  #closed = false

  constructor(clock: () => number, setTimer: SetTimer, task: () => void) {
    this.#clock = clock
    this.#setTimer = setTimer
    this.#task = task
  }

  /** Calls the task at `time`, or earlier when that is far away; `Infinity` means never. */
  arm(time: number): void {
    this.#cancel()
    this.#cancel = () => {}
    if (this.#closed || time === Infinity) return
    const delay = Math.min(Math.max(time - this.#clock(), MIN_DELAY_MS), MAX_TIMER_MS)
    this.#cancel = this.#setTimer(this.#task, delay)
  }

  /** Cancels the timer, until it is armed again. */
  disarm(): void {
    this.arm(Infinity)
  }

  /** Calls the task never again. */
  close(): void {
    this.#closed = true
    this.#cancel()
  }
}
