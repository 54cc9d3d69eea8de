import type { SetTimer } from '@fastify-spiffe/spiffe'
import type { AuthorityOptions } from './settings.ts'

export const START: number = Date.UTC(2026, 0, 1)

/** A clock that stands still until it is moved, with the timers that go by it. */
export class ManualTime {
  now: number = START
  readonly #timers = new Map<() => void, number>()

  readonly clock = (): number => this.now

  readonly setTimer: SetTimer = (callback, delayMs) => {
    const timer = (): void => callback()
    this.#timers.set(timer, this.now + delayMs)
    return () => this.#timers.delete(timer)
  }

  get options(): Pick<AuthorityOptions, 'clock' | 'setTimer'> {
    return { clock: this.clock, setTimer: this.setTimer }
  }

  get pending(): number {
    return this.#timers.size
  }

  advance(ms: number): void {
    this.now += ms
    const due = [...this.#timers].filter(([, at]) => at <= this.now)
    for (const [timer] of due) if (this.#timers.delete(timer)) timer()
  }
}
