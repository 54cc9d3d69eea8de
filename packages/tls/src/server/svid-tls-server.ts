import tls, { type Server, type TLSSocket } from 'node:tls'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { assertSource } from '../options.ts'
import { connectionOf } from './live-connection.ts'
import { secure, tlsOptions } from './secured-server.ts'
import { tlsServerSettings, type SvidTlsServerOptions } from './tls-server-options.ts'

/**
 * Makes a TLS server for protocols other than HTTP: as `createSvidServer` does it, it presents the SVID
 * of `source`, follows its rotations without dropping a connection, and lets in only peers that prove a
 * SPIFFE ID of a trust domain in its bundles.
 *
 * It is a plain `tls.Server`. `connectionListener` gets the sockets of good peers only, and
 * `peerOf(socket)` says who that is; as with any `tls.Server`, it listens for the `error` of each.
 *
 * What a connection is busy with is known to the application alone. So one that is told to go
 * (`onPeerExpiry: 'graceful'`, `maxConnectionAgeMs`, `close()`) is cut after `graceMs`; until then
 * `spiffe:peer:lapsed` is its chance to end well.
 *
 * Listeners for `secureConnection` that are added later are also called for connections that were
 * cut: they ask `peerOf` first.
 *
 * @throws {@link TlsError} `no-svid` when the source has none yet, `invalid-material` when it cannot be
 *   presented, `unknown-option`, `forbidden-option` or `invalid-option`
 */
export const createSvidTlsServer = (
  source: X509MaterialSource,
  options: SvidTlsServerOptions,
  connectionListener: (socket: TLSSocket) => void,
): Server => {
  assertSource(source)
  const settings = tlsServerSettings(options)
  const { alpnProtocols } = settings
  const server = tls.createServer({
    ...tlsOptions(settings),
    ...(alpnProtocols.length > 0 && { ALPNProtocols: [...alpnProtocols] }),
  })
  // It never speaks HTTP, so nobody but the application knows when it is idle.
  server.on('secureConnection', (socket) => connectionOf(socket)?.upgrade())
  server.on('secureConnection', connectionListener)
  secure(server, source, settings)
  return server
}
