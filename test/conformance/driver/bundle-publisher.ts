import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import https, { type Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import type { Members } from './signer.ts'

/** A bundle in the SPIFFE bundle format, written with nothing of the library. */
export function bundleText(
  authorities: readonly MintedCa[],
  { sequence = '1', jwks = [] }: { sequence?: string; jwks?: readonly Members[] } = {},
): string {
  const keys = authorities.map(({ certificate }) => ({
    ...certificate.x509.publicKey.export({ format: 'jwk' }),
    use: 'x509-svid',
    x5c: [certificate.raw.toString('base64')],
  }))
  return `{"keys":${JSON.stringify([...keys, ...jwks])},"spiffe_sequence":${sequence}}`
}

/** A bundle endpoint that presents any certificate, and answers what the case wants. */
export class BundlePublisher implements AsyncDisposable {
  /** The paths that were asked for. */
  readonly requests: string[] = []
  /** How many requests came with a certificate, a cookie or a token. */
  credentials = 0
  answer: (response: ServerResponse, request: IncomingMessage) => void
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()

  private constructor({ certificatesPem: cert, privateKeyPem: key }: MintedCertificate) {
    this.answer = (response) => response.writeHead(500).end()
    const options = { cert, key, requestCert: true, rejectUnauthorized: false }
    this.#server = https.createServer(options, (request, response) => {
      this.requests.push(String(request.url))
      const { cookie, authorization } = request.headers
      if (cookie !== undefined || authorization !== undefined) this.credentials++
      this.answer(response, request)
    })
    this.#server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.getPeerX509Certificate() !== undefined) this.credentials++
      this.#sockets.add(socket.on('error', () => undefined))
    })
  }

  static async listen(material: MintedCertificate): Promise<BundlePublisher> {
    const publisher = new BundlePublisher(material)
    publisher.#server.listen(0, '127.0.0.1')
    await once(publisher.#server, 'listening')
    return publisher
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new TypeError('not listening')
    return `https://127.0.0.1:${address.port}/`
  }

  /** Answers each request with this body. */
  publish(body: string): void {
    this.answer = (response) => response.writeHead(200).end(body)
  }

  redirect(location: string): void {
    this.answer = (response) => response.writeHead(307, { location }).end()
  }

  /** Presents something else from the next handshake on. */
  present({ certificatesPem: cert, privateKeyPem: key }: MintedCertificate): void {
    this.#server.setSecureContext({ cert, key })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}
