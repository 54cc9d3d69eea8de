import type { SetTimer } from '@fastify-spiffe/spiffe'

/** A clock that stands still until it is moved, with timers of its own. */
export class ManualTime {
  now: number = Date.UTC(2026, 0, 1)
  /** How long timers have run, which is not by the clock: that may be set. */
  #elapsedMs = 0
  readonly #timers = new Map<() => void, number>()

  readonly clock = (): number => this.now

  readonly setTimer: SetTimer = (callback, delayMs) => {
    const timer = (): void => callback()
    this.#timers.set(timer, this.#elapsedMs + delayMs)
    return () => void this.#timers.delete(timer)
  }

  /** How long the timers that are set have left, in ms. */
  get delays(): readonly number[] {
    return Array.from(this.#timers.values(), (at) => at - this.#elapsedMs)
  }

  /** Time passes, for the clock and for timers. */
  pass(ms: number): void {
    this.now += ms
    this.#elapsedMs += ms
    const due = [...this.#timers].filter(([, at]) => at <= this.#elapsedMs)
    for (const [timer] of due) if (this.#timers.delete(timer)) timer()
  }

  /** The clock is set, and no timer has run meanwhile. */
  set(now: number): void {
    this.now = now
  }
}
