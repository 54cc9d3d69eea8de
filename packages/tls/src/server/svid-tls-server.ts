import tls, { type Server, type TLSSocket } from 'node:tls'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { assertSource } from '../options.ts'
import { liveConnectionOf } from './live-connection.ts'
import { secure, tlsOptions } from './secured-server.ts'
import { tlsServerSettings, type SvidTlsServerOptions } from './tls-server-options.ts'

/**
 * Makes a TLS server for protocols other than HTTP. As with `createSvidServer`, it presents the SVID of
 * `source`, follows its rotations without closing a connection, and accepts only peers that prove a
 * SPIFFE ID of a trust domain in its bundles.
 *
 * It is a plain `tls.Server`. `connectionListener` gets only the sockets of verified peers, which
 * `peerOf(socket)` returns. As with any `tls.Server`, it has to listen for the `error` event of each.
 *
 * Only the application knows when a connection is idle. So a connection that is to be closed
 * (`onPeerExpiry: 'graceful'`, `maxConnectionAgeMs`, `close()`) is handed to `onClosing`, for the
 * application to end it; what is left after `graceMs` is destroyed.
 *
 * A `secureConnection` listener that is added later is also called for rejected connections: it has to
 * check `peerOf(socket)` first.
 *
 * @throws {@link TlsError} `no-svid` when the source has none yet, `invalid-material` when it cannot be
 *   presented, `unknown-option`, `forbidden-option` or `invalid-option`
 */
export function createSvidTlsServer(
  source: X509MaterialSource,
  options: SvidTlsServerOptions,
  connectionListener: (socket: TLSSocket) => void,
): Server {
  assertSource(source)
  const settings = tlsServerSettings(options)
  const { alpnProtocols, onClosing } = settings
  const server = tls.createServer({
    ...tlsOptions(settings),
    ...(alpnProtocols.length > 0 && { ALPNProtocols: [...alpnProtocols] }),
  })
  // It never speaks HTTP, so that only the application knows when it is idle.
  server.on('secureConnection', (socket) => {
    liveConnectionOf(socket)?.markUpgraded(() => onClosing(socket))
  })
  server.on('secureConnection', connectionListener)
  secure(server, source, settings)
  return server
}
