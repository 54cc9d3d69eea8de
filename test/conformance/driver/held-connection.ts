import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { within } from './timing.ts'
import { dial } from './client.ts'

const KNOCK_MS = 100

/**
 * A connection whose client does not hang up when the harness has written its line: what becomes of it
 * from then on is up to the library.
 */
export class HeldConnection implements AsyncDisposable {
  readonly cut: Promise<void>
  readonly #socket: TLSSocket
  readonly #knocking: NodeJS.Timeout
  #isCut = false

  private constructor(socket: TLSSocket) {
    this.#socket = socket
    // Who is cut off finds out by writing.
    this.#knocking = setInterval(() => socket.write('x'), KNOCK_MS)
    this.cut = new Promise((resolve) => {
      socket.once('close', () => {
        this.#isCut = true
        clearInterval(this.#knocking)
        resolve()
      })
    })
  }

  /** @throws when the harness does not let the client in */
  static async open(port: number, material: MintedCertificate): Promise<HeldConnection> {
    const socket = dial(port, { material })
    socket.on('error', () => undefined)
    const line = await within(
      once(socket, 'data').then(([chunk]) => String(chunk)),
      10_000,
      '',
    )
    if (line.length < 2) throw new Error('the positive control was not accepted')
    return new HeldConnection(socket)
  }

  get isCut(): boolean {
    return this.#isCut
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy()
    await this.cut
  }
}
