import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

const TIMEOUT_MS = 10_000

/** The header in which a proxy hands on the caller's certificate, as PEM in URL encoding or as DER in base64. */
export const CERTIFICATE_HEADER = 'x-client-certificate'

export interface Backend extends AsyncDisposable {
  readonly port: number
}

/** The server without TLS behind a proxy: answers with the SPIFFE ID of the certificate that the proxy hands on. */
export async function startBackend(): Promise<Backend> {
  const server = createServer((incoming, response) => {
    const certificate = incoming.headers[CERTIFICATE_HEADER]
    const caller = typeof certificate === 'string' ? spiffeIdIn(certificate) : null
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ caller }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP port')
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/**
 * Gets `/orders` from a proxy on this machine, over a connection without TLS of its own.
 * @throws Error when the answer is not 200
 */
export async function getPlain(port: number): Promise<string> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const call = request({ host: '127.0.0.1', port, path: '/orders', agent: false, signal }).end()
  const [response]: IncomingMessage[] = await once(call, 'response')
  const body = response === undefined ? '' : await text(response)
  if (response?.statusCode !== 200) throw new Error(`status ${response?.statusCode}: ${body}`)
  return body
}

/** Whether something listens there. */
export async function listens(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function spiffeIdIn(certificate: string): string | null {
  if (certificate === '') return null
  const decoded = certificate.startsWith('-----')
    ? decodeURIComponent(certificate)
    : Buffer.from(certificate, 'base64')
  const names = new X509Certificate(decoded).subjectAltName ?? ''
  return /URI:(spiffe:[^,]+)/.exec(names)?.[1] ?? null
}
