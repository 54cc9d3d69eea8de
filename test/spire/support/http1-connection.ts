import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import { matchId } from '@fastify-spiffe/spiffe'
import { connect } from '@fastify-spiffe/tls'
import { REQUEST_TIMEOUT_MS } from './caller.ts'
import type { Answer, Caller, CallerOptions } from './caller.ts'

/**
 * Calls over HTTP/1.1 on one connection for as long as the service keeps it. `SvidAgent` is more careful: it
 * leaves a connection when either end's SVID of the handshake is over.
 */
export class Http1Connection implements Caller {
  readonly #options: CallerOptions
  #agent: SocketAgent | null = null
  #connections = 0

  constructor(options: CallerOptions) {
    this.#options = options
  }

  get connections(): number {
    return this.#connections
  }

  async get(path: string): Promise<Answer> {
    const agent = await this.#connected()
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
    const call = request({ agent, host: '127.0.0.1', port: this.#options.port, path, signal }).end()
    const [response]: IncomingMessage[] = await once(call, 'response')
    if (response === undefined) throw new Error('a response event without a response')
    return { status: response.statusCode ?? 0, body: await text(response) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent?.socket.destroy()
  }

  async #connected(): Promise<SocketAgent> {
    if (this.#agent?.socket.destroyed === false) return this.#agent
    const { source, server, port } = this.#options
    const socket = await connect({ source, host: '127.0.0.1', port, server: matchId(server) })
    this.#connections++
    this.#agent = new SocketAgent(socket)
    return this.#agent
  }
}

/** Node's pool, with this one socket in it. */
class SocketAgent extends Agent {
  readonly socket: TLSSocket

  constructor(socket: TLSSocket) {
    super({ keepAlive: true, maxSockets: 1 })
    this.socket = socket
  }

  override createConnection(): TLSSocket {
    return this.socket
  }
}
