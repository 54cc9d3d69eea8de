import { isIP } from 'node:net'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'
import { revocationPolicies } from '../options.ts'
import { assertConnectOptions, type ConnectOptions } from './connect-options.ts'
import { clientContextOf, verifierOf } from './endpoint.ts'
import { handshake } from './handshake.ts'
import { proveServer } from './server-proof.ts'

const TIMEOUT_MS = 10_000

const presented = new WeakMap<TLSSocket, X509Svid>()

/** The own SVID that a connection of {@link connect} was made with. */
export const presentedSvidOf = (socket: TLSSocket): X509Svid | undefined => presented.get(socket)

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
  const { source, timeoutMs = TIMEOUT_MS, signal, clock = Date.now } = options
  const { svid } = source
  if (svid === null) {
    throw new TlsError('no-svid', `the source has no SVID to present (state: ${source.state})`)
  }
  const verifier = verifierOf(source, revocationPolicies(options.revocation))
  const socket = tls.connect(connectionOptions(options, svid))
  presented.set(socket, svid)
  await handshake(socket, {
    timeoutMs,
    signal,
    prove: () => proveServer(socket, verifier, options.server, clock()),
  })
  return socket
}

const connectionOptions = (options: ConnectOptions, svid: X509Svid): ConnectionOptions => {
  const { host, port, family, localAddress, lookup, servername = host, alpnProtocols } = options
  return {
    host,
    port,
    // A context and not its PEMs: Node keeps the options on the socket.
    secureContext: clientContextOf(svid, options.minVersion ?? 'TLSv1.3'),
    rejectUnauthorized: false,
    // RFC 6066 §3: literal IP addresses are not permitted. Node 26 throws.
    servername: isIP(servername) === 0 ? servername : '',
    ...(alpnProtocols !== undefined && { ALPNProtocols: [...alpnProtocols] }),
    ...(family !== undefined && { family }),
    ...(localAddress !== undefined && { localAddress }),
    ...(lookup !== undefined && { lookup }),
  }
}
