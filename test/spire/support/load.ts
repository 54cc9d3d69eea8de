import { setInterval as ticks } from 'node:timers/promises'
import { until } from '../fixture/index.ts'
import type { Caller } from './caller.ts'
import { report } from './report.ts'

const EVERY_MS = 10

/** How one load went. */
interface LoadResult {
  readonly name: string
  readonly requests: number
  readonly connections: number
  /** What went wrong, one line for each request that was not answered with 200. */
  readonly failures: readonly string[]
}

/** A caller that calls `/orders` every 10 ms, or as soon as the call before is answered, until it is stopped. */
class Load {
  readonly #name: string
  readonly #caller: Caller
  readonly #stopping = new AbortController()
  readonly #failures: string[] = []
  readonly #running: Promise<void>
  #requests = 0

  constructor(name: string, caller: Caller) {
    this.#name = name
    this.#caller = caller
    this.#running = this.#run(this.#stopping.signal)
  }

  get requests(): number {
    return this.#requests
  }

  /** Waits for the call on its way, and gives the sum. */
  async stop(): Promise<LoadResult> {
    this.#stopping.abort()
    await this.#running
    return {
      name: this.#name,
      requests: this.#requests,
      connections: this.#caller.connections,
      failures: this.#failures,
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    try {
      for await (const _ of ticks(EVERY_MS, undefined, { signal })) await this.#once()
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async #once(): Promise<void> {
    this.#requests++
    try {
      const { status } = await this.#caller.get('/orders')
      if (status !== 200) this.#failures.push(`status ${status}`)
    } catch (error) {
      this.#failures.push(String(error))
    }
  }
}

/** Callers at work, each on its own, until the test ends. */
export class Loads implements AsyncDisposable {
  readonly #loads: Load[] = []

  /** @param name what the printed sum says */
  start(name: string, caller: Caller): void {
    this.#loads.push(new Load(name, caller))
  }

  /** Waits until each has made so many requests more. */
  async progress(requests: number): Promise<void> {
    const before = this.#loads.map((load) => load.requests)
    await until(`${requests} requests more from each caller`, () =>
      this.#loads.every((load, index) => load.requests >= (before[index] ?? 0) + requests),
    )
  }

  /** Stops all, prints how they went, and gives what failed. */
  async failures(): Promise<string[]> {
    const results = await this.#stop()
    for (const { name, requests, connections, failures } of results) {
      const outcome = failures.length === 0 ? '0 failed' : `${failures.length} FAILED`
      report(`${name}: ${requests} requests on ${connections} connection(s), ${outcome}`)
    }
    return results.flatMap(({ name, failures }) => failures.map((one) => `${name}: ${one}`))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
  }

  #stop(): Promise<LoadResult[]> {
    return Promise.all(this.#loads.map((load) => load.stop()))
  }
}
