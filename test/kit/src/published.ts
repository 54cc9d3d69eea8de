import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** Collects what is published on a diagnostics channel about one endpoint, until it is disposed. */
export class Published<T extends { readonly endpoint: string }> implements Disposable {
  readonly events: T[] = []
  readonly #channel: string
  readonly #listen: (message: unknown) => void

  constructor(channel: string, endpoint: string) {
    this.#channel = channel
    this.#listen = (message) => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the channel's own type
      const event = message as T
      if (event.endpoint === endpoint) this.events.push(event)
    }
    subscribe(channel, this.#listen)
  }

  [Symbol.dispose](): void {
    unsubscribe(this.#channel, this.#listen)
  }
}
