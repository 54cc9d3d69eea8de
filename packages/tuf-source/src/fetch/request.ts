import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { TufError } from '../errors.ts'

/** How files are fetched. */
export interface FetchSettings {
  /** The authorities for https, in PEM; `undefined`: those that Node trusts. */
  readonly ca: readonly string[] | undefined
  readonly lookup: LookupFunction | undefined
  /** How long one file may take. */
  readonly timeoutMs: number
  readonly setTimer: SetTimer
}

/** Fetches one file of at most `maxBytes`; `null` when the repository has none of that name. */
export type FetchFile = (url: URL, maxBytes: number) => Promise<Buffer | null>

/** Fetches files, over connections that are kept until `close`. */
export class Fetcher implements Disposable {
  readonly #settings: FetchSettings
  readonly #signal: AbortSignal
  readonly #agents: { readonly http: http.Agent; readonly https: https.Agent }

  constructor(settings: FetchSettings, signal: AbortSignal) {
    this.#settings = settings
    this.#signal = signal
    this.#agents = {
      http: new http.Agent({ keepAlive: true, maxSockets: 1 }),
      https: new https.Agent({
        keepAlive: true,
        maxSockets: 1,
        // Given here, because an environment variable changes the default.
        rejectUnauthorized: true,
        ...(settings.ca !== undefined && { ca: [...settings.ca] }),
      }),
    }
  }

  /**
   * Follows no redirect, and sends nothing that says who asks.
   * @throws {@link TufError} `unreachable`, `timeout`, `unexpected-status`, `too-large`
   */
  readonly fetch: FetchFile = async (url, maxBytes) => {
    const { timeoutMs, setTimer } = this.#settings
    const timeout = new AbortController()
    const cancel = setTimer(() => {
      timeout.abort(new TufError('timeout', `no answer of the repository within ${timeoutMs} ms`))
    }, timeoutMs)
    const signal = AbortSignal.any([this.#signal, timeout.signal])
    try {
      signal.throwIfAborted()
      return await this.#get(url, maxBytes, signal)
    } finally {
      cancel()
    }
  };

  [Symbol.dispose](): void {
    this.#agents.http.destroy()
    this.#agents.https.destroy()
  }

  #get(url: URL, maxBytes: number, signal: AbortSignal): Promise<Buffer | null> {
    const { lookup } = this.#settings
    const options = {
      signal,
      headers: { 'accept-encoding': 'identity' },
      ...(lookup !== undefined && { lookup }),
    }
    return new Promise((resolve, reject) => {
      const sent =
        url.protocol === 'https:'
          ? https.request(url, { ...options, agent: this.#agents.https })
          : http.request(url, { ...options, agent: this.#agents.http })
      const fail = (cause: unknown): void => {
        sent.destroy()
        reject(failureOf(cause, signal))
      }
      sent.on('error', fail)
      sent.on('response', (response) => {
        read(response, maxBytes).then(resolve, fail)
      })
      sent.end()
    })
  }
}

async function read(response: IncomingMessage, maxBytes: number): Promise<Buffer | null> {
  const { statusCode: status = 0, headers } = response
  if (status !== 200) {
    response.on('error', () => {}).destroy()
    // A store of objects says 403 of what it does not have.
    if (status === 404 || status === 403) return null
    throw new TufError('unexpected-status', `the repository answered with status ${status}`)
  }
  const { 'content-encoding': encoding = 'identity', 'content-length': length } = headers
  if (encoding !== 'identity') {
    const message = 'the answer has a content encoding that was not asked for'
    throw new TufError('unexpected-status', message)
  }
  if (Number(length) > maxBytes) throw tooLarge(maxBytes)
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length
    if (size > maxBytes) throw tooLarge(maxBytes)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function tooLarge(maxBytes: number): TufError {
  return new TufError('too-large', `a file of the repository is larger than ${maxBytes} bytes`)
}

function failureOf(cause: unknown, { aborted, reason }: AbortSignal): TufError {
  if (cause instanceof TufError) return cause
  if (aborted && reason instanceof TufError) return reason
  const message = `no answer of the repository (${describeCause(cause)})`
  return new TufError('unreachable', message, { cause })
}
