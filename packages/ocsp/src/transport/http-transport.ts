import http, { type IncomingMessage, type RequestOptions } from 'node:http'
import https from 'node:https'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { TransportError, type OcspTransport, type OcspTransportOptions } from './transport.ts'

const RESPONSE_TYPE = /^application\/ocsp-response(?:$|[;\s])/i

/**
 * Asks by HTTP (RFC 6960 §A), on a connection of its own. Redirects are not followed: they would lead to where neither the
 * certificate nor an option points. What is larger than `maxBytes` is cut off, and is then no response.
 */
export const httpTransport: OcspTransport = async (url, request, options) => {
  const isGet = options.method === 'GET'
  const target = isGet ? getUrl(url, request) : url
  const response = await send(target, isGet ? null : request, options)
  assertOcspResponse(response)
  return readBody(response, options)
}

/** RFC 6960 §A.1: the request in Base64, URL-encoded, as one more segment of the path. */
function getUrl(url: URL, request: Uint8Array): URL {
  const text = url.href.endsWith('/') ? url.href : `${url.href}/`
  return new URL(`${text}${encodeURIComponent(Buffer.from(request).toString('base64'))}`)
}

function send(
  url: URL,
  body: Uint8Array | null,
  { signal }: OcspTransportOptions,
): Promise<IncomingMessage> {
  const headers = {
    accept: 'application/ocsp-response',
    ...(body !== null && {
      'content-type': 'application/ocsp-request',
      'content-length': body.length,
    }),
  }
  const options: RequestOptions = {
    method: body === null ? 'GET' : 'POST',
    headers,
    signal,
    // No pool: a request in hours needs none, and nothing is left open.
    agent: false,
  }
  return new Promise((resolve, reject) => {
    const { request } = url.protocol === 'https:' ? https : http
    const outgoing = request(url, options, resolve)
    outgoing.on('error', (cause: unknown) => {
      reject(
        new TransportError('unreachable', `the responder is unreachable: ${describeCause(cause)}`),
      )
    })
    outgoing.end(body ?? undefined)
  })
}

function assertOcspResponse(response: IncomingMessage): void {
  const { statusCode = 0, headers } = response
  const refuse = (code: 'unexpected-status' | 'unexpected-type', message: string): never => {
    response.destroy()
    throw new TransportError(code, message)
  }
  if (statusCode !== 200) {
    refuse('unexpected-status', `the responder answered with HTTP status ${statusCode}`)
  }
  if (!RESPONSE_TYPE.test(headers['content-type'] ?? '')) {
    refuse('unexpected-type', 'the answer is not of the type application/ocsp-response')
  }
}

async function readBody(
  response: IncomingMessage,
  { maxBytes }: OcspTransportOptions,
): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      // One byte more than allowed says that it is too large; the rest is not read.
      if (bytes > maxBytes) break
    }
  } catch (cause) {
    const message = `the answer was cut off: ${describeCause(cause)}`
    throw new TransportError('unreachable', message)
  }
  return Buffer.concat(chunks).subarray(0, maxBytes + 1)
}
