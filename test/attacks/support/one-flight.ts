import { once } from 'node:events'
import net from 'node:net'
import { Duplex } from 'node:stream'

/**
 * A TCP connection that keeps back what a TLS 1.3 client says after its ClientHello, until it is told to
 * send all of it at once: the Finished of the handshake with requests in the same segment.
 */
export class OneFlight extends Duplex {
  readonly #wire: net.Socket
  #held: Buffer[] | undefined

  constructor(port: number) {
    super()
    this.#wire = net.connect(port, '127.0.0.1')
    this.#wire.on('data', (chunk) => this.push(chunk))
    this.#wire.on('end', () => this.push(null))
    this.#wire.on('error', () => this.push(null))
  }

  /** Resolves once the connection is gone. */
  get gone(): Promise<unknown> {
    return this.#wire.closed ? Promise.resolve() : once(this.#wire, 'close')
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    this.#wire.write(Buffer.concat(held))
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (this.#held !== undefined) this.#held.push(chunk)
    else {
      this.#wire.write(chunk)
      this.#held = []
    }
    done()
  }

  override _read(): void {
    // What arrives is pushed as it arrives.
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#wire.destroy()
    done(error)
  }
}
