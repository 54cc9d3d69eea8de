import { setInterval as ticks } from 'node:timers/promises'
import type { Caller } from './caller.ts'
import { report } from './report.ts'

const EVERY_MS = 10

/** How one load went. */
export interface LoadResult {
  readonly name: string
  readonly requests: number
  readonly connections: number
  /** What went wrong, one line for each request that was not answered with 200. */
  readonly failures: readonly string[]
}

/** A caller that calls `/orders` every 10 ms, or as soon as the call before is answered, until it is stopped. */
export class Load {
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

  /** Waits for the call on its way, prints the sum and gives it. */
  async stop(): Promise<LoadResult> {
    this.#stopping.abort()
    await this.#running
    const result: LoadResult = {
      name: this.#name,
      requests: this.#requests,
      connections: this.#caller.connections,
      failures: this.#failures,
    }
    const { name, requests, connections, failures } = result
    report(`${name}: ${requests} requests on ${connections} connections, ${failures.length} failed`)
    return result
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

/** Stops all, in order, and gives their failures. */
export async function failuresOf(loads: readonly Load[]): Promise<string[]> {
  const failures: string[] = []
  for (const load of loads) {
    const result = await load.stop()
    failures.push(...result.failures.map((failure) => `${result.name}: ${failure}`))
  }
  return failures
}
