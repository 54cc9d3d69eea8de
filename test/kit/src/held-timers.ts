import type { SetTimer } from '@fastify-spiffe/spiffe'

/** Timers that a test fires. */
export class HeldTimers {
  readonly #timers = new Map<() => void, number>()

  readonly setTimer: SetTimer = (callback, delayMs) => {
    this.#timers.set(callback, delayMs)
    return () => this.#timers.delete(callback)
  }

  get delays(): readonly number[] {
    return [...this.#timers.values()]
  }

  /** Fires those of at least `delayMs`. */
  fire(delayMs = 0): void {
    const due = Array.from(this.#timers).filter(([, delay]) => delay >= delayMs)
    for (const [callback] of due) if (this.#timers.delete(callback)) callback()
  }
}
