import { setTimeout } from 'node:timers/promises'

/** A handshake takes a millisecond or more of a turn: those of many fetches must not fall into the same one. */
const BETWEEN_STARTS_MS = 10

/** The time between two starts, for tests. */
interface Time {
  readonly now: () => number
  /** Rejects when the signal is aborted. */
  readonly sleep: (
    ms: number,
    value: undefined,
    options: { readonly signal: AbortSignal },
  ) => Promise<void>
}

const MONOTONIC: Time = { now: () => performance.now(), sleep: setTimeout }

/** Lets a bounded number of fetches run at once, in the order in which they were asked for, and starts them apart. */
export class FetchSlots {
  #free: number
  #nextStart = 0
  readonly #waiting: (() => void)[] = []
  readonly #time: Time

  constructor(count: number, time: Time = MONOTONIC) {
    this.#free = count
    this.#time = time
  }

  /** Runs `task` when a slot is free; once `signal` is aborted, without a distance to the start before. */
  async run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#free > 0) this.#free--
    else {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
      })
    }
    try {
      await this.#startApart(signal)
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }

  async #startApart(signal: AbortSignal): Promise<void> {
    const { now, sleep } = this.#time
    // Again after each wait: when the process was held up, several of them have ended at once.
    for (let rest = this.#rest(); rest > 0 && !signal.aborted; rest = this.#rest()) {
      // An abort only means that there is nothing left to wait for.
      // oxlint-disable-next-line no-await-in-loop -- it waits for its turn
      await sleep(rest, undefined, { signal }).catch(() => {})
    }
    if (!signal.aborted) this.#nextStart = now() + BETWEEN_STARTS_MS
  }

  /** How long until another fetch may start, in ms; less than 0 since then. */
  #rest(): number {
    return this.#nextStart - this.#time.now()
  }
}
