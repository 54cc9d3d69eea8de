import type { Caller, CallerOptions } from '../../spire/support/caller.ts'
import { Http1Caller } from '../../spire/support/http1-caller.ts'
import { Http1Connection } from '../../spire/support/http1-connection.ts'
import { Http2Caller } from '../../spire/support/http2-caller.ts'
import { Loads } from '../../spire/support/load.ts'

/** Requests without a pause: on a kept-alive connection of each protocol, and on fresh ones. */
export class Traffic implements AsyncDisposable {
  readonly #kept: readonly Caller[]
  readonly #callers: readonly Caller[]
  readonly #loads = new Loads()

  constructor(endpoint: CallerOptions) {
    const http1 = new Http1Connection(endpoint)
    const http2 = new Http2Caller(endpoint)
    const fresh = new Http1Caller({ ...endpoint, keepAlive: false })
    this.#kept = [http1, http2]
    this.#callers = [http1, http2, fresh]
    this.#loads.start('kept-alive HTTP/1.1', http1)
    this.#loads.start('kept-alive HTTP/2', http2)
    this.#loads.start('fresh connections', fresh)
  }

  /** Waits until every caller has made so many requests more. */
  progress(requests: number): Promise<void> {
    return this.#loads.progress(requests)
  }

  /** Stops, and says what failed; a kept-alive connection that did not live through it all is a failure. */
  async failures(): Promise<string[]> {
    const failures = await this.#loads.failures()
    const lost = this.#kept.filter(({ connections }) => connections !== 1).length
    return lost === 0 ? failures : [...failures, `${lost} kept-alive connection(s) lost`]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loads[Symbol.asyncDispose]()
    for (const caller of this.#callers) await caller[Symbol.asyncDispose]()
  }
}
