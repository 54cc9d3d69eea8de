import type { TLSSocket } from 'node:tls'
import { TlsError } from '../errors.ts'
import { assertConnectOptions, readServer, type ConnectOptions } from './connect-options.ts'
import { dial, type ConnectionTarget } from './dial.ts'

/**
 * Opens a TLS connection with the current SVID of `source` to a server that proves a SPIFFE ID which
 * `server` matches. The host name is not compared with the certificate: the SPIFFE ID is the identity.
 * With `server: webPki()` the host name counts instead.
 *
 * The promise resolves after the proof, so that nothing is written to another server.
 * `peerOf(socket)` returns the server's identity. Sessions are never resumed.
 *
 * @throws {@link TlsError} `no-svid`, `invalid-material`, `connect-failed`, `connect-timeout`,
 *   `server-refused` (no proof; see `rejection`, or `cause` with `webPki()`), `server-not-allowed`
 *   (another SPIFFE ID),
 *   `unknown-option`, `forbidden-option`, `invalid-option`; or the reason of `signal`
 */
export async function connect(options: ConnectOptions): Promise<TLSSocket> {
  assertConnectOptions(options)
  options.signal?.throwIfAborted()
  const connector = { ...options, server: readServer(options.server) }
  const socket = dial(connector, targetOf(options))
  await waitForProof(socket, options.signal)
  return socket
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
      socket.off('secureConnect', onSecureConnect).off('close', onClose).off('error', fail)
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
    const onAbort = (): void => fail(signal?.reason)
    socket.on('secureConnect', onSecureConnect).on('close', onClose).on('error', fail)
    signal?.addEventListener('abort', onAbort)
  })
}
