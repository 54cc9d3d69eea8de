import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { Flow } from './flow.ts'

/** A place of `node:net`: a Unix socket, or a port of 127.0.0.1. */
export type Place = { readonly path: string } | { readonly port: number }

/**
 * Stands between a client and a server, on a Unix socket or on TCP, and does to what passes whatever
 * the test says: to each direction by its {@link Flow}, to connections as a whole by its methods.
 */
export class Relay implements AsyncDisposable {
  /** What clients send. */
  readonly up: Flow = new Flow()
  /** What the server sends. */
  readonly down: Flow = new Flow()
  readonly #to: Place
  readonly #clients = new Set<Socket>()
  readonly #events = new EventTarget()
  #at: Place
  #server: Server | undefined

  private constructor(at: Place, to: Place) {
    this.#at = at
    this.#to = to
  }

  /** @param at where to listen; port 0 is a free one */
  static async open({ at, to }: { readonly at: Place; readonly to: Place }): Promise<Relay> {
    const relay = new Relay(at, to)
    await relay.accept()
    return relay
  }

  /** Where clients connect, as the Workload API writes it: `unix:///…` or `tcp://127.0.0.1:…`. */
  get address(): string {
    return 'path' in this.#at ? `unix://${this.#at.path}` : `tcp://127.0.0.1:${this.#at.port}`
  }

  get port(): number {
    return 'port' in this.#at ? this.#at.port : 0
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#clients.size
  }

  /** Resolves with the next connection. */
  async nextConnection(): Promise<void> {
    await once(this.#events, 'connection')
  }

  /** Resolves when no connection is open. */
  async emptied(): Promise<void> {
    while (this.#clients.size > 0) await once(this.#events, 'disconnection')
  }

  /** Nobody listens any more: the port is closed, the socket's file is gone. Connections live on. */
  async refuse(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    server.close()
    // `close` would wait for the connections; what matters is that the place is free.
    await new Promise(setImmediate)
  }

  /** Listens, at the same place as before. */
  async accept(): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#join(client)
    })
    server.listen(this.#at)
    await once(server, 'listening')
    this.#server = server
    const address = server.address()
    if (isPort(address)) this.#at = { port: address.port }
  }

  /** Cuts all connections; with TCP by a reset. */
  cut(): void {
    for (const client of this.#clients) {
      if ('port' in this.#at) client.resetAndDestroy()
      else client.destroy()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse()
    const closed = [...this.#clients].map((client) => once(client, 'close'))
    for (const client of this.#clients) client.destroy()
    await Promise.all(closed)
  }

  #join(client: Socket): void {
    const server = connect({ ...this.#to, allowHalfOpen: true, noDelay: true })
    this.#clients.add(client)
    client.once('close', () => {
      this.#clients.delete(client)
      this.#events.dispatchEvent(new Event('disconnection'))
      server.destroy()
    })
    server.once('close', () => client.destroy())
    for (const socket of [client, server]) socket.on('error', () => {})
    void this.up.carry(client, server)
    void this.down.carry(server, client)
    this.#events.dispatchEvent(new Event('connection'))
  }
}

function isPort(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}
