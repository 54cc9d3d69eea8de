import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { PeerVerifiedEvent } from '@fastify-spiffe/tls'

const CHANNEL = 'spiffe:peer:verified'

/** Counts the connections that servers of this process take in, from its creation until it is disposed of. */
export class Handshakes implements Disposable {
  #count = 0
  readonly #listener = (message: unknown): void => {
    if ((message as PeerVerifiedEvent).side === 'server') this.#count++
  }

  constructor() {
    subscribe(CHANNEL, this.#listener)
  }

  get count(): number {
    return this.#count
  }

  [Symbol.dispose](): void {
    unsubscribe(CHANNEL, this.#listener)
  }
}
