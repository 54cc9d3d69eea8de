import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { TlsError } from '../errors.ts'
import {
  assertConnectOptions,
  readServer,
  type Connector,
  type ConnectOptions,
} from './connect-options.ts'
import { dial, type ConnectionTarget } from './dial.ts'
import { connectFailure } from './handshake.ts'

/**
 * Opens a TLS connection with the current SVID of `source` to a server that proves a SPIFFE ID which
 * `server` matches. The host name is not compared with the certificate: the SPIFFE ID is the identity.
 * With `server: webPki()` the host name counts instead.
 *
 * The promise resolves after the proof, so that nothing is written to another server.
 * `peerOf(socket)` returns the server's identity. Sessions are never resumed.
 *
 * With `socket`, TLS begins on a connection that exists already, such as a tunnel through a proxy. Bytes that arrive before the
 * handshake are not proven to come from the server, and are never returned as its data.
 *
 * @throws {@link TlsError} `no-svid`, `invalid-material`, `connect-failed`, `connect-timeout`,
 *   `server-refused` (no proof; see `rejection`, or `cause` with `webPki()`), `server-not-allowed`
 *   (another SPIFFE ID), `staple-refused` (no good OCSP staple, with `requireStaple` of `webPki`),
 *   `unknown-option`, `forbidden-option`, `invalid-option`; or the reason of `signal`
 */
export async function connect(options: ConnectOptions): Promise<TLSSocket> {
  assertConnectOptions(options)
  options.signal?.throwIfAborted()
  const connector = { ...options, server: readServer(options.server) }
  const socket =
    options.socket === undefined
      ? dial(connector, targetOf(options))
      : dialOver(options.socket, connector, targetOf(options))
  await waitForProof(socket, options.signal)
  return socket
}

/** Starts TLS on a connection that was given, which does not outlive it. */
function dialOver(given: Duplex, connector: Connector, target: ConnectionTarget): TLSSocket {
  // Whatever becomes of it, its errors are those of the TLS connection.
  given.on('error', () => undefined)
  try {
    if (given.destroyed || !given.readable || !given.writable) {
      throw new TlsError('connect-failed', 'the given socket is closed')
    }
    const socket = dial(connector, { ...target, socket: given })
    given.once('error', (error: Error) => socket.destroy(error))
    given.once('close', () => socket.destroy())
    return socket.once('close', () => given.destroy())
  } catch (error) {
    given.destroy()
    throw error
  }
}

function targetOf(options: ConnectOptions): ConnectionTarget {
  const { host, port, servername, alpnProtocols, family, localAddress, lookup } = options
  const ALPNProtocols = alpnProtocols && [...alpnProtocols]
  return { host, port, servername, ALPNProtocols, family, localAddress, lookup }
}

function waitForProof(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      signal?.removeEventListener('abort', onAbort)
      socket.off('secureConnect', onSecureConnect).off('close', onClose).off('error', onError)
    }
    const fail = (reason: unknown): void => {
      settle()
      // A destroyed socket may still emit an error.
      socket.on('error', () => undefined)
      socket.destroy()
      reject(reason)
    }
    const onSecureConnect = (): void => {
      // The server has proven nothing: the reason follows as an error.
      if (socket.destroyed) return
      settle()
      resolve()
    }
    const onClose = (): void =>
      fail(new TlsError('connect-failed', 'the server closed the connection during the handshake'))
    const onError = (error: unknown): void => fail(connectFailure(error))
    const onAbort = (): void => fail(signal?.reason)
    socket.on('secureConnect', onSecureConnect).on('close', onClose).on('error', onError)
    signal?.addEventListener('abort', onAbort)
  })
}
