import { once } from 'node:events'
import tls, { type TLSSocket } from 'node:tls'
import type { MintedCertificate } from '@fastify-spiffe/authority'

const ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok'

/** A server that takes anybody, counts the bytes that it is sent, and answers requests of HTTP/1.1. */
export class CountingServer implements AsyncDisposable {
  bytes = 0
  readonly #server: tls.Server
  readonly #sockets = new Set<TLSSocket>()

  private constructor(material: MintedCertificate, protocol: 'h2' | 'http/1.1') {
    this.#server = tls.createServer({
      cert: material.certificatesPem,
      key: material.privateKeyPem,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [protocol],
    })
    this.#server.on('tlsClientError', () => undefined)
    this.#server.on('secureConnection', (socket) => this.#take(socket))
  }

  static async listen(
    material: MintedCertificate,
    protocol: 'h2' | 'http/1.1' = 'http/1.1',
  ): Promise<CountingServer> {
    const counting = new CountingServer(material, protocol)
    counting.#server.listen(0, '127.0.0.1')
    await once(counting.#server, 'listening')
    return counting
  }

  get address(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new TypeError('not listening')
    return `127.0.0.1:${address.port}`
  }

  get url(): string {
    return `https://${this.address}/`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }

  #take(socket: TLSSocket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      if (chunk.toString('latin1').endsWith('\r\n\r\n')) socket.write(ANSWER)
    })
  }
}
