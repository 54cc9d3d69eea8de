import type { TLSSocket } from 'node:tls'
import { TlsError } from '../errors.ts'
import { assertConnectOptions, type ConnectOptions } from './connect-options.ts'
import { dial, type Target } from './dial.ts'

/**
 * Opens a TLS connection with the own SVID of this moment to a server that proves one of the SPIFFE
 * IDs that `server` matches. The server's host name is not looked at: its SPIFFE ID says who it is.
 *
 * The promise resolves after the proof, so nothing is ever written to another server.
 * `peerOf(socket)` is the server's identity. Sessions are never resumed.
 *
 * @throws {@link TlsError} `no-svid`, `invalid-material`, `connect-failed`, `connect-timeout`,
 *   `server-refused` (no proof; see `rejection`), `server-not-allowed` (another SPIFFE ID),
 *   `unknown-option`, `forbidden-option`, `invalid-option`; or the reason of `signal`
 */
export const connect = async (options: ConnectOptions): Promise<TLSSocket> => {
  assertConnectOptions(options)
  options.signal?.throwIfAborted()
  const socket = dial(options, targetOf(options))
  await proven(socket, options.signal)
  return socket
}

const targetOf = (options: ConnectOptions): Target => {
  const { host, port, servername, alpnProtocols, family, localAddress, lookup } = options
  const ALPNProtocols = alpnProtocols && [...alpnProtocols]
  return { host, port, servername, ALPNProtocols, family, localAddress, lookup }
}

const proven = (socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (): void => {
      signal?.removeEventListener('abort', onAbort)
      socket.off('secureConnect', onSecureConnect).off('close', onClose).off('error', fail)
    }
    const fail = (reason: unknown): void => {
      settle()
      // What a dying socket still has to say concerns nobody.
      socket.on('error', () => undefined)
      socket.destroy()
      reject(reason)
    }
    const onSecureConnect = (): void => {
      // A server that has proven nothing: the reason follows as an error.
      if (socket.destroyed) return
      settle()
      resolve()
    }
    const onClose = (): void =>
      fail(new TlsError('connect-failed', 'the server closed the connection during the handshake'))
    const onAbort = (): void => fail(signal?.reason)
    socket.on('secureConnect', onSecureConnect).on('close', onClose).on('error', fail)
    signal?.addEventListener('abort', onAbort)
  })
