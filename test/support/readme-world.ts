import { once } from 'node:events'
import http from 'node:http'
import https, { type Server } from 'node:https'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { matchId } from '@fastify-spiffe/spiffe'
import { connect, createSvidServer, SvidAgent } from '@fastify-spiffe/tls'
import { WebSocket, WebSocketServer } from 'ws'
import type { RunnerWorld } from './readme-runner.ts'

/** Who the programs of the documents are. */
const ORDERS = 'spiffe://example.org/acme/orders'

export interface CallOptions extends https.RequestOptions {
  /** The path of the caller's SPIFFE ID, such as `/acme/web`; `null`: without a certificate. */
  readonly as?: string | null
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** The agent that programs of documents have, the service that they call, and those who call them. */
export class ReadmeWorld {
  readonly runner: RunnerWorld
  readonly #authority: Authority
  readonly #service: Server
  readonly #sources = new Map<string, Promise<InProcessSource>>()

  private constructor(authority: Authority, service: Server, runner: RunnerWorld) {
    this.#authority = authority
    this.#service = service
    this.runner = runner
  }

  static async open(): Promise<ReadmeWorld> {
    const authority = await Authority.create({ trustDomain: 'example.org' })
    // The second identity is one that a program picks.
    const identities = [{ spiffeId: ORDERS }, { spiffeId: 'spiffe://example.org/web' }]
    const { address } = await authority.serve({ identities })
    const service = createSvidServer(await authority.source(ORDERS), {}, (request, response) => {
      response.end(`hello ${String(request.headers['x-caller'] ?? '')}`.trim())
    })
    new WebSocketServer({ server: service }).on('connection', (socket, { headers }) => {
      socket.on('message', () => socket.send(`hello ${String(headers['x-caller'] ?? 'nobody')}`))
    })
    service.listen(0, '127.0.0.1')
    await once(service, 'listening')
    const servicePort = (service.address() as { port: number }).port
    const endpointPath = fileURLToPath(address.replace(/^unix:/, 'file:'))
    return new ReadmeWorld(authority, service, { servicePort, endpointPath })
  }

  /** Calls a program over mTLS. */
  async call(
    port: number,
    path: string,
    { as = '/acme/web', ...rest }: CallOptions = {},
  ): Promise<Answer> {
    const agent = as === null ? undefined : await this.#agent(as)
    // Who has no certificate has no bundle either, as a probe.
    const proof = agent === undefined ? { rejectUnauthorized: false, agent: false } : { agent }
    return answerTo(https.request({ host: '127.0.0.1', port, path, ...proof, ...rest }))
  }

  /** Sends a message over a WebSocket, and resolves with the answer. */
  async exchange(port: number, path: string, as: string, message: string): Promise<string> {
    const source = await this.#source(as)
    const connection = await connect({ source, host: '127.0.0.1', port, server: matchId(ORDERS) })
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, {
      createConnection: () => connection,
    })
    await once(socket, 'open')
    socket.send(message)
    const [answer] = (await once(socket, 'message')) as [Buffer]
    socket.terminate()
    return answer.toString()
  }

  async close(): Promise<void> {
    this.#service.close()
    this.#service.closeAllConnections()
    await this.#authority.close()
  }

  async #agent(as: string): Promise<SvidAgent> {
    return new SvidAgent({ source: await this.#source(as), server: matchId(ORDERS) })
  }

  #source(as: string): Promise<InProcessSource> {
    const known = this.#sources.get(as)
    if (known !== undefined) return known
    const source = this.#authority.source(`spiffe://example.org${as}`)
    this.#sources.set(as, source)
    return source
  }
}

/** Calls a program in plain text. */
export const callPlain = (port: number, path: string, headers = {}): Promise<Answer> =>
  answerTo(http.request({ host: '127.0.0.1', port, path, headers, agent: false }))

export async function answerTo(request: http.ClientRequest): Promise<Answer> {
  const [response] = (await once(request.end(), 'response')) as [http.IncomingMessage]
  return { status: response.statusCode!, headers: response.headers, body: await text(response) }
}
