import { TlsError } from '../errors.ts'
import type { ConnectionPeer } from './connection-peer.ts'

// A symbol property and not a WeakMap: HTTP/2 hands out proxies of its sockets.
const boundPeer: unique symbol = Symbol('spiffe.peer')

interface Carrier {
  readonly [boundPeer]?: ConnectionPeer | null
}

/**
 * Binds the outcome of a handshake to its socket or HTTP/2 session, once.
 * @throws {@link TlsError} `peer-already-bound`
 */
export function bindPeer(carrier: object, peer: ConnectionPeer | null): void {
  if (Object.hasOwn(carrier, boundPeer)) {
    throw new TlsError('peer-already-bound', 'this connection has its peer already')
  }
  Object.defineProperty(carrier, boundPeer, { value: peer })
}

/**
 * Returns the peer of a connection that this package has accepted or made.
 *
 * - a {@link ConnectionPeer}: proven at the handshake; `isCurrent` tells whether the proof is still valid.
 * - `null`: the connection was accepted without a certificate (`clientCertificate: 'optional'`), or the
 *   server has proven its name to the Web PKI (`server: webPki()`), which is no SPIFFE ID.
 * - `undefined`: this package has not accepted the connection, or it is closed: treat as unproven.
 *
 * @param carrier a `TLSSocket`, the proxy that HTTP/2 has in its place (`request.raw.socket`,
 *   `session.socket`), or an `Http2Session`, which is the fastest
 */
export function peerOf(carrier: object): ConnectionPeer | null | undefined {
  try {
    return (carrier as Carrier)[boundPeer]
  } catch {
    // The proxy of an HTTP/2 socket throws once its session is gone.
    return undefined
  }
}
