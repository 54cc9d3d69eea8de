import { TlsError } from '../errors.ts'
import type { ConnectionPeer } from './connection-peer.ts'

// A symbol property and not a WeakMap: HTTP/2 hands out proxies of its sockets.
const boundPeer: unique symbol = Symbol('spiffe.peer')

interface Carrier {
  readonly [boundPeer]?: ConnectionPeer | null
}

/** Binds the outcome of a handshake to its socket (or HTTP/2 session), once and for good. */
export const bindPeer = (carrier: object, peer: ConnectionPeer | null): void => {
  if (Object.hasOwn(carrier, boundPeer)) {
    throw new TlsError('peer-already-bound', 'this connection has its peer already')
  }
  Object.defineProperty(carrier, boundPeer, { value: peer })
}

/**
 * The peer of a connection that this package has accepted or made.
 *
 * - a {@link ConnectionPeer}: proven at the handshake; ask `isCurrent` whether it still holds.
 * - `null`: accepted without a certificate (`clientCertificate: 'optional'`).
 * - `undefined`: never accepted here, or already torn down: refuse.
 *
 * @param carrier a `TLSSocket`, what HTTP/2 offers in its place (`request.raw.socket`,
 *   `session.socket`), or an `Http2Session`, which is the fastest to ask
 */
export const peerOf = (carrier: object): ConnectionPeer | null | undefined => {
  try {
    return (carrier as Carrier)[boundPeer]
  } catch {
    // The proxy of an HTTP/2 socket throws once its session is gone.
    return undefined
  }
}
