import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2'
import { text } from 'node:stream/consumers'
import { matchId } from '@fastify-spiffe/spiffe'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { connect } from '@fastify-spiffe/tls'
import { REQUEST_TIMEOUT_MS } from './caller.ts'
import type { Answer, Caller, CallerOptions } from './caller.ts'

interface Connection {
  readonly session: ClientHttp2Session
  /** What the caller presented on it. */
  readonly svid: X509Svid | null
}

/** Calls over HTTP/2, on one connection for as long as the service keeps it and the own SVID is the same. */
export class Http2Caller implements Caller {
  readonly #options: CallerOptions
  #connection: Connection | null = null
  #connections = 0

  constructor(options: CallerOptions) {
    this.#options = options
  }

  get connections(): number {
    return this.#connections
  }

  async get(path: string): Promise<Answer> {
    const stream = (await this.#session()).request({ ':path': path })
    const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
    const [headers]: IncomingHttpHeaders[] = await once(stream, 'response', { signal })
    return { status: Number(headers?.[':status']), body: await text(stream) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disconnect()
  }

  async #session(): Promise<ClientHttp2Session> {
    const { source, server, port } = this.#options
    const { svid } = source
    if (this.#connection?.session.closed === false && this.#connection.svid === svid) {
      return this.#connection.session
    }
    await this.#disconnect()
    const host = '127.0.0.1'
    const socket = await connect({
      source,
      host,
      port,
      server: matchId(server),
      alpnProtocols: ['h2'],
    })
    const session = connectHttp2(`https://${host}:${port}`, { createConnection: () => socket })
    // A session that fails fails its streams too, and they tell.
    session.on('error', () => {})
    this.#connection = { session, svid }
    this.#connections++
    return session
  }

  async #disconnect(): Promise<void> {
    const session = this.#connection?.session
    this.#connection = null
    if (session === undefined || session.destroyed) return
    const closed = once(session, 'close')
    session.close()
    await closed
  }
}
