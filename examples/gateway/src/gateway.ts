import { once } from 'node:events'
import https, { type Server } from 'node:https'
import { pipeline } from 'node:stream'
import { SvidAgent, type X509MaterialSource } from 'fastify-spiffe'
import { ORDERS } from './names.ts'

/** The certificate of a server of the Web PKI. */
export interface WebCertificate {
  readonly cert: string
  readonly key: string
}

/**
 * A gateway that ends TLS: its clients see a certificate of the Web PKI, and no certificate of theirs reaches the service. It passes
 * `Authorization` on as it is, over mutual TLS to the one service that it knows.
 */
export async function openGateway(
  source: X509MaterialSource,
  certificate: WebCertificate,
  upstream: URL,
): Promise<Server> {
  const agent = new SvidAgent({ source, server: ORDERS, keepAlive: false })
  const server = https.createServer(certificate, ({ url, headers }, response) => {
    const { authorization } = headers
    const passed = authorization === undefined ? {} : { authorization }
    const { hostname: host, port } = upstream
    const request = https.get({ host, port, path: url, agent, headers: passed })
    request.on('error', () => response.writeHead(502).end())
    request.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      pipeline(answer, response, () => undefined)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** The origin of a server by the name of its certificate. */
export function originOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server')
  return `https://localhost:${address.port}`
}
