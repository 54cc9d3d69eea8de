import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { matchId } from '@fastify-spiffe/spiffe'
import { SvidAgent } from '@fastify-spiffe/tls'
import { REQUEST_TIMEOUT_MS } from './caller.ts'
import type { Answer, Caller, CallerOptions } from './caller.ts'

export interface Http1CallerOptions extends CallerOptions {
  /** Whether to keep one connection, or to open one for each request. Default true. */
  readonly keepAlive?: boolean
}

/** Calls over HTTP/1.1. */
export class Http1Caller implements Caller {
  readonly #agent: SvidAgent
  readonly #port: number
  readonly #sockets = new WeakSet<Socket>()
  #connections = 0

  constructor({ source, server, port, keepAlive = true }: Http1CallerOptions) {
    this.#agent = new SvidAgent({ source, server: matchId(server), keepAlive, maxSockets: 1 })
    this.#port = port
  }

  get connections(): number {
    return this.#connections
  }

  async get(path: string): Promise<Answer> {
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
    const call = request({ agent: this.#agent, host: '127.0.0.1', port: this.#port, path, signal })
    call.once('socket', (socket) => {
      if (!this.#sockets.has(socket)) this.#connections++
      this.#sockets.add(socket)
    })
    call.end()
    const [response]: IncomingMessage[] = await once(call, 'response')
    if (response === undefined) throw new Error('a response event without a response')
    return { status: response.statusCode ?? 0, body: await text(response) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy()
  }
}
