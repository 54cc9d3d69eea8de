import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { AuthorityError } from '../errors.ts'
import type { ListenAddress } from './options.ts'
import { listenPrivately, type BoundSocket } from './private-socket.ts'
import { openSocketPath, removeStaleSocket, type SocketPath } from './socket-path.ts'

/** A listening socket that can disappear and come back at the same address. */
export interface Listener {
  /** `unix:///…` or `tcp://127.0.0.1:…`. */
  readonly address: string
  start(): Promise<void>
  /** Stops listening and cuts all connections. */
  stop(): Promise<void>
  /** Stops for good. */
  close(): Promise<void>
}

/** @throws {@link AuthorityError} `invalid-socket-path`, `socket-in-use` */
export async function openListener(
  place: ListenAddress,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  const listener =
    'port' in place
      ? new TcpListener(place.port, onConnection)
      : new UnixListener(await openSocketPath(place.socketPath), onConnection)
  try {
    await listener.start()
    return listener
  } catch (error) {
    await listener.close()
    throw error
  }
}

abstract class SocketListener {
  readonly #onConnection: (socket: Socket) => void
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  constructor(onConnection: (socket: Socket) => void) {
    this.#onConnection = onConnection
  }

  protected async listen<T>(begin: (server: Server) => Promise<T>): Promise<T> {
    const server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      this.#onConnection(socket)
    })
    try {
      const result = await begin(server)
      this.#server = server
      return result
    } catch (error) {
      await closeServer(server)
      throw error
    }
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const closed = closeServer(server)
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

class UnixListener extends SocketListener implements Listener {
  readonly #socketPath: SocketPath
  #bound: BoundSocket | undefined

  constructor(socketPath: SocketPath, onConnection: (socket: Socket) => void) {
    super(onConnection)
    this.#socketPath = socketPath
  }

  get address(): string {
    return `unix://${this.#socketPath.path.split('/').map(encodeURIComponent).join('/')}`
  }

  async start(): Promise<void> {
    const { path } = this.#socketPath
    try {
      await removeStaleSocket(path)
      this.#bound = await this.listen((server) => listenPrivately(server, path))
    } catch (cause) {
      if (cause instanceof AuthorityError) throw cause
      throw new AuthorityError('invalid-socket-path', `cannot listen on ${path}`, { cause })
    }
  }

  override async stop(): Promise<void> {
    await this.#bound?.remove()
    this.#bound = undefined
    await super.stop()
  }

  async close(): Promise<void> {
    await this.stop()
    await this.#socketPath.remove()
  }
}

class TcpListener extends SocketListener implements Listener {
  #port: number

  constructor(port: number, onConnection: (socket: Socket) => void) {
    super(onConnection)
    this.#port = port
  }

  get address(): string {
    return `tcp://127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    try {
      const address = await this.listen((server) => listenOnLoopback(server, this.#port))
      // The same port again after a stop.
      if (typeof address === 'object' && address !== null) this.#port = address.port
    } catch (cause) {
      throw new AuthorityError('socket-in-use', `cannot listen on ${this.address}`, { cause })
    }
  }

  async close(): Promise<void> {
    await this.stop()
  }
}

/** Resolves as well for a server that does not listen. */
function closeServer(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve))
}

async function listenOnLoopback(
  server: Server,
  port: number,
): Promise<ReturnType<Server['address']>> {
  const listening = once(server, 'listening')
  server.listen(port, '127.0.0.1')
  await listening
  return server.address()
}
