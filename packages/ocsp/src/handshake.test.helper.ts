import { once } from 'node:events'
import tls from 'node:tls'
import type { SetTimer } from '@fastify-spiffe/spiffe'

/** A clock and timers that stand still until the test moves them. */
export class ManualTime {
  now: number = Date.now()
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>()

  readonly clock = (): number => this.now

  readonly setTimer: SetTimer = (callback, delayMs) => {
    const timer = { at: this.now + delayMs, callback }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  /** In how many ms the next timer is due. */
  get nextDelay(): number {
    return Math.min(...Array.from(this.#timers, ({ at }) => at)) - this.now
  }

  get pending(): number {
    return this.#timers.size
  }

  /** Lets time pass up to the next timer, and runs it. */
  runNext(): void {
    const [next] = [...this.#timers].toSorted((one, other) => one.at - other.at)
    if (next === undefined) throw new Error('no timer is pending')
    this.#timers.delete(next)
    this.now = Math.max(this.now, next.at)
    next.callback()
  }
}

export interface Handshake {
  /** `null`: none was sent. */
  readonly staple: Buffer | null
  readonly protocol: string | null
  readonly isResumed: boolean
}

/** Does a handshake in which the client asks for a staple. */
export async function handshake(
  port: number,
  options: tls.ConnectionOptions = {},
): Promise<Handshake> {
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    rejectUnauthorized: false,
    requestOCSP: true,
    ...options,
  } as tls.ConnectionOptions)
  let staple: Buffer | null = null
  socket.on('OCSPResponse', (response: Buffer | null) => {
    staple = response
  })
  try {
    await once(socket, 'secureConnect')
    return { staple, protocol: socket.getProtocol(), isResumed: socket.isSessionReused() }
  } finally {
    socket.destroy()
  }
}

/** A server of plain Node on loopback. */
export class TlsServer implements AsyncDisposable {
  readonly server: tls.Server

  private constructor(server: tls.Server) {
    this.server = server
  }

  static async serve(options: tls.TlsOptions): Promise<TlsServer> {
    const server = tls.createServer(options, (socket) => socket.on('error', () => undefined))
    server.on('tlsClientError', () => undefined)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TlsServer(server)
  }

  get port(): number {
    const address = this.server.address()
    if (address === null || typeof address === 'string') throw new Error('it does not listen')
    return address.port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close')
    this.server.close()
    await closed
  }
}
