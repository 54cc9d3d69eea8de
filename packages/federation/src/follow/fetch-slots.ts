import { setTimeout } from 'node:timers/promises'

/** A handshake takes a millisecond or more of a turn: those of many fetches must not fall into the same one. */
const BETWEEN_STARTS_MS = 10

/** Lets a bounded number of fetches run at once, in the order in which they were asked for, and starts them apart. */
export class FetchSlots {
  #free: number
  #nextStart = 0
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Runs `task` when a slot is free. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
    try {
      await this.#startApart()
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }

  async #startApart(): Promise<void> {
    const now = performance.now()
    const start = Math.max(now, this.#nextStart)
    this.#nextStart = start + BETWEEN_STARTS_MS
    if (start > now) await setTimeout(start - now)
  }
}
