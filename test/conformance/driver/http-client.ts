import { once } from 'node:events'
import http2, { type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import type { MintedCertificate } from '@fastify-spiffe/authority'

/** What a request was answered with; the status is `null` where the connection was cut instead. */
export interface HttpAnswer {
  readonly status: number | null
  readonly body: string
}

export type Headers = Readonly<Record<string, string>>

const CUT: HttpAnswer = { status: null, body: '' }

/** A client of HTTP that keeps one connection, presents any certificate, and verifies nobody. */
export interface HttpClient extends AsyncDisposable {
  readonly get: (path: string, headers?: Headers) => Promise<HttpAnswer>
}

interface Target {
  readonly port: number
  /** `null`: no certificate. */
  readonly material: MintedCertificate | null
}

const tlsOptions = ({ material }: Target): object => ({
  rejectUnauthorized: false,
  ...(material && { cert: material.certificatesPem, key: material.privateKeyPem }),
})

export function http1Client(target: Target): HttpClient {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 })
  const get = async (path: string, headers: Headers = {}): Promise<HttpAnswer> => {
    const options = { ...tlsOptions(target), agent, host: '127.0.0.1', port: target.port }
    const request = https.get({ ...options, path, headers })
    try {
      const [response] = await once(request, 'response')
      return { status: Number(response.statusCode), body: await text(response) }
    } catch {
      return CUT
    }
  }
  return { get, [Symbol.asyncDispose]: async () => agent.destroy() }
}

export function http2Client(target: Target): HttpClient {
  let session: ClientHttp2Session | undefined
  const connected = (): ClientHttp2Session => {
    if (session !== undefined && !session.closed && !session.destroyed) return session
    session = http2.connect(`https://127.0.0.1:${target.port}`, tlsOptions(target))
    session.on('error', () => undefined)
    return session
  }
  const get = async (path: string, headers: Headers = {}): Promise<HttpAnswer> => {
    const stream = connected().request({ ':path': path, ...headers })
    stream.on('error', () => undefined)
    // A stream may end without an answer and without an error.
    const answer = await new Promise<IncomingHttpHeaders | null>((resolve) => {
      stream.once('response', resolve).once('close', () => resolve(null))
    })
    if (answer === null) return CUT
    return { status: Number(answer[':status']), body: await text(stream).catch(() => '') }
  }
  return { get, [Symbol.asyncDispose]: async () => session?.destroy() }
}
