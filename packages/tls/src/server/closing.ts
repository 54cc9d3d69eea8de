import type { Socket } from 'node:net'
import type { Server } from 'node:tls'
import type { ConnectionRegistry } from './connection-registry.ts'

/**
 * Lets `close()` of a server end all its connections, which Node does for idle HTTP/1.1 ones alone, and
 * for those that are idle at that moment. Handshakes under way are cut: nothing was asked on them yet.
 * `closeAllConnections()` cuts every connection, which for HTTP/2 Node does not offer.
 */
export const endOnClose = (server: Server, connections: ConnectionRegistry): void => {
  const handshakes = new Handshakes(server)
  const close = server.close.bind(server)
  server.close = (callback) => {
    // First, so that a server that never listened says so as ever.
    close(callback)
    connections.end()
    handshakes.cut()
    return server
  }
  const closeAllConnections = (): void => {
    connections.cut()
    handshakes.cut()
  }
  Object.assign(server, { closeAllConnections })
  server.on('listening', () => connections.begin())
  server.on('close', () => {
    if (!server.listening) connections.ended()
  })
}

/** The connections of a server whose handshake is under way: Node tells of them as plain sockets. */
class Handshakes {
  readonly #sockets = new Map<string, Socket>()

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      const name = nameOf(socket)
      if (name === null) return
      this.#sockets.set(name, socket)
      socket.once('close', () => {
        if (this.#sockets.get(name) === socket) this.#sockets.delete(name)
      })
    })
    // Node makes a TLS socket of each, and does not say of which.
    server.prependListener('secureConnection', (socket) => {
      const name = nameOf(socket)
      if (name !== null) this.#sockets.delete(name)
    })
  }

  cut(): void {
    for (const socket of this.#sockets.values()) socket.destroy()
  }
}

/** What no two connections of a moment share; `null` on a Unix socket, and once a client has gone. */
const nameOf = (socket: Socket): string | null => {
  const { remoteAddress, remotePort, localAddress, localPort } = socket
  if (remoteAddress === undefined) return null
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`
}
