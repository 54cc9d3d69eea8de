import type { TLSSocket } from 'node:tls'
import { type ConnectionInjector, type Server, ServerCredentials } from '@grpc/grpc-js'
import { type ConnectionPeer, peerOf } from '@fastify-spiffe/tls'

/** Both ends of a connection, as `ServerInterceptingCallInterface.getConnectionInfo()` returns them. */
export interface Addresses {
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

interface Injected {
  readonly peer: ConnectionPeer | null
  readonly injector: ConnectionInjector
}

/**
 * The verified connections of a server, which it hands to the HTTP/2 of gRPC. Each has an injector of its own, by which it
 * alone is ended. gRPC tells of a call only the addresses of its connection, which no other open one has.
 */
export class InjectedConnections {
  readonly #server: Server
  readonly #byAddresses = new Map<string, Injected>()
  readonly #credentials = ServerCredentials.createInsecure()

  constructor(server: Server) {
    this.#server = server
  }

  /** Hands a connection that the acceptor has let through to gRPC. */
  inject(socket: TLSSocket): void {
    socket.on('error', () => undefined)
    const peer = peerOf(socket)
    const key = keyOf(socket)
    // gRPC takes any connection for HTTP/2 (gRPC over HTTP2: the ALPN protocol is h2).
    if (socket.alpnProtocol !== 'h2' || peer === undefined || key === null || this.#has(key)) {
      socket.destroy()
      return
    }
    const injected = { peer, injector: this.#server.createConnectionInjector(this.#credentials) }
    this.#byAddresses.set(key, injected)
    socket.once('close', () => {
      this.#byAddresses.delete(key)
      injected.injector.destroy()
    })
    injected.injector.injectConnection(socket)
  }

  /** Ends a connection by GOAWAY: its calls continue, and there are no new ones. */
  close(socket: TLSSocket): void {
    const key = keyOf(socket)
    if (key !== null) this.#byAddresses.get(key)?.injector.destroy()
  }

  /** Returns the peer of the connection between two addresses; `undefined`: there is none. */
  peerOf(addresses: Addresses): ConnectionPeer | null | undefined {
    const key = keyOf(addresses)
    return key === null ? undefined : this.#byAddresses.get(key)?.peer
  }

  #has(key: string): boolean {
    return this.#byAddresses.has(key)
  }
}

/** `null` where the connection has none, or has none any more. */
function keyOf({ remoteAddress, remotePort, localAddress, localPort }: Addresses): string | null {
  if (remoteAddress === undefined || remotePort === undefined || localPort === undefined)
    return null
  return `${remoteAddress}|${remotePort}|${localAddress}|${localPort}`
}
