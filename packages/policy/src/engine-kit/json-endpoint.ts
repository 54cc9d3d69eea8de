import http, {
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http'
import https from 'node:https'
import { describeCause, parseJson } from '@fastify-spiffe/spiffe/internal'
import type { CheckContext } from '../deadline.ts'
import { invalidAnswer, unreachable } from './answer.ts'
import type { Endpoint } from './endpoint-options.ts'

const JSON_TYPE = 'application/json'
/** Bytes that are no UTF-8 are an error, and so is a byte order mark, which JSON does not have. */
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export interface JsonAnswer {
  readonly headers: IncomingHttpHeaders
  readonly body: unknown
}

/** A service that is asked by POST, in JSON, over connections that are kept. Follows no redirects. */
export class JsonEndpoint {
  readonly #engine: string
  readonly #endpoint: Endpoint
  readonly #request: typeof http.request
  readonly #options: RequestOptions
  readonly #ownAgent: http.Agent | undefined

  constructor(engine: string, endpoint: Endpoint) {
    const { url, agent, socketPath } = endpoint
    const { request, Agent } = url.protocol === 'https:' ? https : http
    this.#engine = `${engine} at ${url.host}`
    this.#endpoint = endpoint
    this.#request = request
    this.#ownAgent = agent === undefined ? new Agent({ keepAlive: true }) : undefined
    this.#options = {
      method: 'POST',
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port,
      agent: agent ?? this.#ownAgent,
      ...(socketPath === undefined ? {} : { socketPath }),
    }
  }

  /** The name in errors. */
  get engine(): string {
    return this.#engine
  }

  /**
   * Asks, and reads the answer, which has to be 200 with JSON.
   *
   * @throws {PolicyError} `engine-unreachable`, `invalid-answer`
   */
  async post(
    path: string,
    body: unknown,
    { signal }: CheckContext,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<JsonAnswer> {
    const bytes = Buffer.from(JSON.stringify(body))
    const options: RequestOptions = {
      ...this.#options,
      signal,
      path: `${this.#endpoint.url.pathname.replace(/\/$/, '')}${path}`,
      headers: {
        ...this.#endpoint.headers,
        host: this.#endpoint.url.host,
        'content-type': JSON_TYPE,
        'content-length': bytes.length,
        accept: JSON_TYPE,
        ...headers,
      },
    }
    try {
      const response = await this.#send(options, bytes)
      return { headers: response.headers, body: this.#parse(response, await this.#read(response)) }
    } catch (error) {
      throw error instanceof Error && 'code' in error && error.code === 'invalid-answer'
        ? error
        : unreachable(this.#engine, error)
    }
  }

  /** Lets go of the connections, unless the agent is the user's. */
  close(): void {
    this.#ownAgent?.destroy()
  }

  #send(options: RequestOptions, bytes: Buffer, mayRetry = true): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = this.#request(options)
      request.once('response', resolve)
      // A switch of protocols has no answer to wait for.
      request.once('upgrade', ({ statusCode }, socket) => {
        socket.destroy()
        reject(invalidAnswer(this.#engine, 'status', statusCode))
      })
      request.on('error', (error) => {
        // The other side may close a kept connection just as it is used again. Asking twice changes nothing there.
        const isStale = mayRetry && request.reusedSocket && isReset(error)
        if (isStale) resolve(this.#send(options, bytes, false))
        else reject(error)
      })
      request.end(bytes)
    })
  }

  async #read(response: IncomingMessage): Promise<Buffer> {
    const { maxResponseBytes } = this.#endpoint
    const chunks: Uint8Array[] = []
    let size = 0
    // Whatever is thrown in the loop ends the connection as well.
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > maxResponseBytes) {
        throw invalidAnswer(this.#engine, 'more bytes than', maxResponseBytes)
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  #parse({ statusCode, headers }: IncomingMessage, bytes: Buffer): unknown {
    if (statusCode !== 200) throw invalidAnswer(this.#engine, 'status', statusCode)
    const type = headers['content-type']
    if (type?.split(';', 1)[0]?.trim().toLowerCase() !== JSON_TYPE) {
      throw invalidAnswer(this.#engine, withName('content type', type), type)
    }
    const encoding = headers['content-encoding'] ?? 'identity'
    if (encoding !== 'identity')
      throw invalidAnswer(this.#engine, withName('content encoding', encoding), encoding)
    try {
      return parseJson(UTF_8.decode(bytes), { maxLength: bytes.length, hidesKeys: true })
    } catch (cause) {
      throw invalidAnswer(this.#engine, `no JSON (${describeCause(cause)})`, bytes)
    }
  }
}

/** A media type or an encoding is from a list that everybody knows; what is long is hardly one. */
function withName(what: string, name: string | undefined): string {
  return name !== undefined && /^[\w.+-]+(?:\/[\w.+-]+)?(?:;|$)/.test(name) && name.length <= 60
    ? `the ${what} ${name}`
    : `another ${what}`
}

function isReset(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}
