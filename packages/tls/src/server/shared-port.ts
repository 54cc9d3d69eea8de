import type { Server, TLSSocket } from 'node:tls'
import { type LiveConnection, liveConnectionOf } from './live-connection.ts'
import type { ServerIdentity } from './server-identity.ts'

/** The protocols of a shared port: a client of HTTP that speaks both gets HTTP/1.1, and one of gRPC offers `h2` alone. */
export const SHARED_PROTOCOLS: readonly string[] = ['http/1.1', 'h2']

/** The port of an HTTP/1.1 server, for what serves its HTTP/2 connections. */
export interface SharedPort {
  /** The identity of the server. */
  readonly identity: ServerIdentity
  /**
   * Takes no more HTTP/2 connections, closes the open ones gracefully, and destroys what is left after `graceMs`. Resolves
   * when none is open. The server goes on with HTTP/1.1.
   */
  readonly release: () => Promise<void>
}

/** Serves the HTTP/2 connections of a port. */
export interface Http2Connections {
  /** Called before the server listens. If it rejects, the server does not listen, and emits `error` with the reason. */
  readonly prepare: () => Promise<void>
  /** Takes the connection of a verified peer; `peerOf(socket)` returns it. */
  readonly accept: (socket: TLSSocket) => void
  /** Called once for a connection that is to be closed gracefully; what is left after `graceMs` is destroyed. */
  readonly end: (socket: TLSSocket) => void
  /**
   * Called when `close()` of the listening server is called, before it ends its connections: `end` follows for each HTTP/2
   * connection. Stop here what would keep calls open.
   */
  readonly onClosing: () => void
  /** Called after the server has closed and its last connection has ended. */
  readonly onClosed: () => void
}

/** What can serve the HTTP/2 connections of an HTTP/1.1 server: a `GrpcServer` of `@fastify-spiffe/grpc`. */
export interface Http2Service {
  /** Called by the server that is made; throws when the service cannot share a port. */
  share(port: SharedPort): Http2Connections
}

/**
 * Hands connections that negotiate HTTP/2 to a service, and all others to the listeners that the server has by now. To be
 * called before the acceptor comes between, so that both get those of verified peers only.
 *
 * @returns what connects the service to the server, once that has its identity
 */
export function divertHttp2(
  server: Server,
  service: Http2Service,
  graceMs: number,
): (identity: ServerIdentity) => void {
  const sharing = new Sharing(graceMs)
  const listeners = server.listeners('secureConnection')
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket) => {
    if (socket.alpnProtocol === 'h2') sharing.accept(socket)
    else for (const listener of listeners) Reflect.apply(listener, server, [socket])
  })
  return (identity) => {
    const connections = service.share({ identity, release: () => sharing.release() })
    sharing.begin(connections)
    follow(server, connections)
  }
}

/** The HTTP/2 connections of a shared port. */
class Sharing {
  readonly #graceMs: number
  readonly #open = new Set<LiveConnection>()
  #connections: Http2Connections | null = null
  #onEmpty = (): void => {}

  constructor(graceMs: number) {
    this.#graceMs = graceMs
  }

  begin(connections: Http2Connections): void {
    this.#connections = connections
  }

  accept(socket: TLSSocket): void {
    const connections = this.#connections
    const connection = liveConnectionOf(socket)
    if (connections === null || connection === undefined) {
      socket.destroy()
      return
    }
    this.#open.add(connection)
    socket.once('close', () => {
      this.#open.delete(connection)
      if (this.#open.size === 0) this.#onEmpty()
    })
    connection.markUpgraded(() => connections.end(socket))
    connections.accept(socket)
  }

  async release(): Promise<void> {
    this.#connections = null
    if (this.#open.size === 0) return
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    for (const connection of this.#open) connection.drain(this.#graceMs)
    await empty
  }
}

/**
 * Lets a server listen only when the service is ready, unless it has been closed meanwhile, and tells the service when it
 * closes.
 */
function follow(server: Server, { prepare, onClosing, onClosed }: Http2Connections): void {
  const listen = server.listen.bind(server)
  const close = server.close.bind(server)
  let closings = 0
  const listenPrepared = async (options: readonly unknown[]): Promise<void> => {
    const before = closings
    try {
      await prepare()
      if (closings === before) Reflect.apply(listen, server, options)
    } catch (error) {
      server.emit('error', error)
    }
  }
  server.listen = (...options: readonly unknown[]) => {
    void listenPrepared(options)
    return server
  }
  server.close = (callback) => {
    closings++
    if (server.listening) onClosing()
    return close(callback)
  }
  server.on('close', () => {
    if (!server.listening) onClosed()
  })
}
