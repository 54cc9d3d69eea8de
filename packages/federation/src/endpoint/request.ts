import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import https from 'node:https'
import type { LookupFunction } from 'node:net'
import { TLSSocket } from 'node:tls'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from '@fastify-spiffe/tls'
import { FetchFailure } from '../errors.ts'

/** What one request needs besides its URL. */
export interface RequestParts {
  readonly agent: https.Agent
  readonly signal: AbortSignal
  readonly maxBytes: number
  readonly etag: string | undefined
  readonly lookup: LookupFunction | undefined
}

/** An answer; `body` is empty unless the status is 200. */
export interface EndpointResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/**
 * Sends one request, with no header that says who asks, and follows no redirect.
 * @throws {@link FetchFailure} `endpoint-refused`, `unreachable`, `timeout`, `too-large`, `invalid-bundle`
 */
export function request(url: URL, parts: RequestParts): Promise<EndpointResponse> {
  const { agent, signal, etag, lookup } = parts
  return new Promise((resolve, reject) => {
    const sent = https.request(url, {
      agent,
      signal,
      method: 'GET',
      headers: {
        accept: 'application/json',
        'accept-encoding': 'identity',
        ...(etag !== undefined && { 'if-none-match': etag }),
      },
      ...(lookup !== undefined && { lookup }),
    })
    const fail = (cause: unknown): void => {
      sent.destroy()
      reject(failureOf(cause, sent.socket, signal))
    }
    sent.on('error', fail)
    sent.on('response', (response) => {
      read(response, parts.maxBytes).then(resolve, fail)
    })
    sent.end()
  })
}

async function read(response: IncomingMessage, maxBytes: number): Promise<EndpointResponse> {
  const { statusCode: status = 0, headers } = response
  if (status !== 200) {
    // The body of a redirect or an error is nobody's bundle.
    response.on('error', () => {}).destroy()
    return { status, headers, body: Buffer.alloc(0) }
  }
  const { 'content-encoding': encoding = 'identity', 'content-length': length } = headers
  if (encoding !== 'identity') {
    throw new FetchFailure(
      'invalid-bundle',
      'the answer has a content encoding that was not asked for',
    )
  }
  if (Number(length) > maxBytes) throw tooLarge(maxBytes)
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length
    if (size > maxBytes) throw tooLarge(maxBytes)
    parts.push(part)
  }
  return { status, headers, body: Buffer.concat(parts) }
}

function tooLarge(maxBytes: number): FetchFailure {
  return new FetchFailure('too-large', `the answer is larger than ${maxBytes} bytes`)
}

function failureOf(
  cause: unknown,
  socket: unknown,
  { aborted, reason }: AbortSignal,
): FetchFailure {
  if (cause instanceof FetchFailure) return cause
  if (aborted && reason instanceof FetchFailure) return reason
  if (cause instanceof TlsError) return tlsFailure(cause)
  if (socket instanceof TLSSocket && isRefusedByNode(socket)) {
    const message = `the endpoint has not proven its name to the Web PKI (${describeCause(cause)})`
    return new FetchFailure('endpoint-refused', message, { cause })
  }
  return new FetchFailure('unreachable', `no answer of the endpoint (${describeCause(cause)})`, {
    cause,
  })
}

function tlsFailure(cause: TlsError): FetchFailure {
  const { code, message } = cause
  if (code === 'server-refused' || code === 'server-not-allowed') {
    return new FetchFailure('endpoint-refused', `the endpoint is refused: ${message}`, { cause })
  }
  if (code === 'connect-timeout') return new FetchFailure('timeout', message, { cause })
  const reason = code === 'connect-failed' ? describeCause(cause.cause) : code
  return new FetchFailure('unreachable', `no answer of the endpoint (${reason})`, { cause })
}

// `null` until Node has looked at the certificate.
function isRefusedByNode({ authorizationError }: { authorizationError: unknown }): boolean {
  return authorizationError !== null && authorizationError !== undefined
}
