import { type WaitOptions } from '@fastify-spiffe/spiffe'
import { Updates } from '@fastify-spiffe/spiffe/internal'
import type { Metadata } from '@grpc/grpc-js'
import type { WorkloadApiMethod } from './service.ts'

/** A call that reached an endpoint. */
export interface WorkloadApiCall {
  readonly method: WorkloadApiMethod
  /** The headers of the call; binary ones as base64. */
  readonly metadata: ReadonlyMap<string, readonly string[]>
  /** Milliseconds since the epoch. */
  readonly time: number
}

/** As many calls as are remembered. */
const MAX_CALLS = 10_000

/** Remembers the latest calls, and lets tests wait for one. */
export class Calls {
  readonly #updates = new Updates()
  readonly #clock: () => number
  #calls: readonly WorkloadApiCall[] = []

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** Oldest first. */
  get list(): readonly WorkloadApiCall[] {
    return this.#calls
  }

  record(method: WorkloadApiMethod, metadata: Metadata): void {
    const names = Object.keys(metadata.getMap())
    const call = Object.freeze({
      method,
      metadata: new Map(names.map((name) => [name, metadata.get(name).map(asText)])),
      time: this.#clock(),
    })
    this.#calls = [...this.#calls.slice(1 - MAX_CALLS), call]
    this.#updates.notify()
  }

  /** Resolves with the next call. */
  async next(method: WorkloadApiMethod | undefined, wait: WaitOptions): Promise<WorkloadApiCall> {
    for (;;) {
      await this.#updates.nextUpdate(wait)
      const call = this.#calls.at(-1)
      if (call !== undefined && (method === undefined || call.method === method)) return call
    }
  }

  close(): void {
    this.#updates.close()
  }
}

function asText(value: string | Buffer): string {
  return typeof value === 'string' ? value : value.toString('base64')
}
