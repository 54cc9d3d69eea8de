import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { PeerRejectedEvent } from '@fastify-spiffe/tls'

const CHANNEL = 'spiffe:peer:rejected'

/** Notes why servers of this process cut connections, from its creation until it is disposed of. */
export class Rejections implements Disposable {
  readonly #codes: string[] = []
  readonly #listener = (message: unknown): void => {
    if (isRejection(message) && message.side === 'server') this.#codes.push(message.code)
  }

  constructor() {
    subscribe(CHANNEL, this.#listener)
  }

  get codes(): readonly string[] {
    return this.#codes
  }

  [Symbol.dispose](): void {
    unsubscribe(CHANNEL, this.#listener)
  }
}

function isRejection(message: unknown): message is PeerRejectedEvent {
  return typeof message === 'object' && message !== null && 'side' in message && 'code' in message
}
