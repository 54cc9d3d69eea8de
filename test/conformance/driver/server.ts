import { once } from 'node:events'
import tls, { type Server, type TLSSocket } from 'node:tls'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { identityOf, type PresentedIdentity } from './presented.ts'

/** A TLS server that presents any certificate, asks for one, and judges none. */
export class PeerServer implements AsyncDisposable {
  /** What its clients presented, in their order; `null`: nothing. */
  readonly clients: (PresentedIdentity | null)[] = []
  /** How many of its connections resumed a session. */
  resumptions = 0
  readonly #server: Server
  readonly #sockets = new Set<TLSSocket>()

  private constructor(material: MintedCertificate) {
    this.#server = tls.createServer({
      cert: material.certificatesPem,
      key: material.privateKeyPem,
      requestCert: true,
      rejectUnauthorized: false,
    })
    this.#server.on('secureConnection', (socket) => this.#take(socket))
  }

  static async listen(material: MintedCertificate): Promise<PeerServer> {
    const peer = new PeerServer(material)
    peer.#server.listen(0, '127.0.0.1')
    await once(peer.#server, 'listening')
    return peer
  }

  get address(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new TypeError('not listening')
    return `127.0.0.1:${address.port}`
  }

  /** Presents something else from the next handshake on. */
  become(material: MintedCertificate): void {
    this.#server.setSecureContext({ cert: material.certificatesPem, key: material.privateKeyPem })
  }

  /** Resolves with what the next client presents. */
  async nextClient(): Promise<PresentedIdentity | null> {
    await once(this.#server, 'secureConnection')
    return this.clients.at(-1) ?? null
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }

  #take(socket: TLSSocket): void {
    this.clients.push(identityOf(socket))
    if (socket.isSessionReused()) this.resumptions++
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined).resume()
  }
}
