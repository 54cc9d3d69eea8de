import { type Clock, machine } from './clock.ts'
import { check } from './target.ts'

/** What one input may cost on a machine that does the reference work in `REFERENCE_MS`; a slower one gets more, in proportion. */
const MAX_MS = 10

const REFERENCE_MS = 1

/** Work without a warm-up: the engine's own code, with garbage to collect. */
const REFERENCE_TEXT = JSON.stringify(
  Array.from({ length: 6_000 }, (_, at) => ({ [`key-${at % 50}`]: at })),
)

/** How often an input that took longer is read again: on a busy machine, and before V8 has compiled, the first time says little. */
const ATTEMPTS = 8

/** Measures how long inputs take, and refuses those that take too long. */
export class Stopwatch {
  slowestMs = 0
  readonly #clock: Clock

  constructor(clock: Clock = machine) {
    this.#clock = clock
  }

  async time<T>(read: () => T | Promise<T>): Promise<T> {
    const began = this.#clock.elapsedMs()
    const pending = read()
    const result = pending instanceof Promise ? await pending : pending
    let took = this.#clock.elapsedMs() - began
    // What would be the slowest so far is looked at again, so that the figure means something.
    const known = Math.max(1, this.slowestMs)
    for (let attempt = 0; took > known && attempt < ATTEMPTS; attempt += 1) {
      took = Math.min(took, await this.#cost(read))
    }
    this.slowestMs = Math.max(this.slowestMs, took)
    if (took > MAX_MS) {
      const allowed = MAX_MS * (await this.#slowness())
      check(took <= allowed, `takes ${took.toFixed(1)} ms, more than ${allowed.toFixed(1)}`)
    }
    return result
  }

  /** Neither the wait for a turn counts, nor the collector's threads beside. */
  async #cost(work: () => unknown): Promise<number> {
    const { elapsedMs, processorMs } = this.#clock
    const [began, used] = [elapsedMs(), processorMs()]
    await work()
    return Math.min(elapsedMs() - began, processorMs() - used)
  }

  /** How much longer than it should this machine takes now; at least 1. */
  async #slowness(): Promise<number> {
    const costs: number[] = []
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      costs.push(await this.#cost(() => JSON.parse(REFERENCE_TEXT) as unknown))
    }
    const [median = 0] = costs.toSorted((one, other) => one - other).slice(ATTEMPTS / 2)
    return Math.max(1, median / REFERENCE_MS)
  }
}
