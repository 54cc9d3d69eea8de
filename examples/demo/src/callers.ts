import http2 from 'node:http2'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { connect } from '@fastify-spiffe/tls'
import { type SpiffeIdMatcher, SvidAgent, type X509MaterialSource } from 'fastify-spiffe'

export interface Answer {
  readonly status: number
  readonly body: string
}

export interface Callee {
  readonly port: number
  /** The SPIFFE ID that the server has to prove. */
  readonly server: SpiffeIdMatcher
}

/** One request over HTTP/1.1 on a connection of its own. */
export async function call(
  source: X509MaterialSource,
  callee: Callee,
  path: string,
): Promise<Answer> {
  const agent = new SvidAgent({ source, server: callee.server })
  try {
    const request = https.get({ host: '127.0.0.1', port: callee.port, path, agent })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    return { status: response.statusCode ?? 0, body: await text(response) }
  } finally {
    agent.destroy()
  }
}

/** A caller that keeps one HTTP/2 connection, whatever rotates meanwhile. */
export class KeptAliveCaller implements AsyncDisposable {
  readonly #session: http2.ClientHttp2Session

  private constructor(session: http2.ClientHttp2Session) {
    this.#session = session
  }

  static async open(
    source: X509MaterialSource,
    { port, server }: Callee,
  ): Promise<KeptAliveCaller> {
    const socket = await connect({ source, host: '127.0.0.1', port, server, alpnProtocols: ['h2'] })
    return new KeptAliveCaller(
      http2.connect(`https://127.0.0.1:${port}`, { createConnection: () => socket }),
    )
  }

  async call(path: string): Promise<Answer> {
    const stream = this.#session.request({ ':path': path })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    return { status: Number(headers[':status']), body: await text(stream) }
  }

  /** Resolves when the server says that it takes no more requests (RFC 9113 §6.8). */
  async goaway(): Promise<void> {
    await once(this.#session, 'goaway')
  }

  async closed(): Promise<void> {
    if (!this.#session.destroyed) await once(this.#session, 'close')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#session.destroyed) return
    const closed = once(this.#session, 'close')
    this.#session.close()
    await closed
  }
}
