import type { Socket } from 'node:net'
import type { Server } from 'node:tls'
import type { ConnectionRegistry } from './connection-registry.ts'

/**
 * Makes `close()` of a server close all its connections gracefully. Node does so only for HTTP/1.1
 * connections that are idle at that moment. Pending handshakes are destroyed: they carry no request yet.
 * `closeAllConnections()` destroys every connection; Node has no such method for HTTP/2.
 */
export function endOnClose(server: Server, connections: ConnectionRegistry): void {
  const handshakes = new PendingHandshakes(server)
  const close = server.close.bind(server)
  server.close = (callback) => {
    // First, so that a server that never listened reports its error as usual.
    close(callback)
    connections.closeAllGracefully()
    handshakes.destroyAll()
    return server
  }
  const closeAllConnections = (): void => {
    connections.destroyAll()
    handshakes.destroyAll()
  }
  Object.assign(server, { closeAllConnections })
  server.on('listening', () => connections.allowNewConnections())
  server.on('close', () => {
    if (!server.listening) connections.cancelDestroy()
  })
}

/** The connections of a server whose handshake is pending, which Node announces as plain sockets. */
class PendingHandshakes {
  readonly #sockets = new Map<string, Socket>()

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      const name = addressesOf(socket)
      if (name === null) return
      this.#sockets.set(name, socket)
      socket.once('close', () => {
        if (this.#sockets.get(name) === socket) this.#sockets.delete(name)
      })
    })
    // Node makes a TLS socket from each, and does not tell from which.
    server.prependListener('secureConnection', (socket) => {
      const name = addressesOf(socket)
      if (name !== null) this.#sockets.delete(name)
    })
  }

  destroyAll(): void {
    for (const socket of this.#sockets.values()) socket.destroy()
  }
}

/** Identifies a connection among the open ones; `null` on a Unix socket, and once the client has disconnected. */
function addressesOf(socket: Socket): string | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined) return null
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
