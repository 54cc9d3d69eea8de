import type { RequestListener } from 'node:http'
import http2, {
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import https from 'node:https'
import type { TlsOptions } from 'node:tls'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { contextOptions } from '../context/context-options.ts'
import { SecureContextManager } from '../context/secure-context-manager.ts'
import { assertSource } from '../options.ts'
import { PeerVerifier } from '../peer/verifier.ts'
import { Acceptor } from './acceptor.ts'
import { ConnectionRegistry } from './connection-registry.ts'
import { followExchanges } from './http1-exchanges.ts'
import { followSessions } from './http2-sessions.ts'
import { ServerIdentity, setIdentity } from './server-identity.ts'
import { serverSettings, type ServerSettings, type SvidServerOptions } from './server-options.ts'

export type Http2RequestListener = (
  request: Http2ServerRequest,
  response: Http2ServerResponse,
) => void

/**
 * Makes an HTTP server that presents the SVID of `source`, follows its rotations without dropping a
 * connection, and lets in only peers that prove a SPIFFE ID of a trust domain in its bundles.
 *
 * It is a plain `https.Server` or `Http2SecureServer`: listen and close as usual; `close()` ends
 * idle connections and, on HTTP/2, tells the sessions to go. `peerOf(request.socket)` says who calls,
 * `identityOf(server)` what is on the wire.
 *
 * Listeners for `secureConnection` that are added later are also called for connections that were
 * cut: they ask `peerOf` first.
 *
 * @throws {@link TlsError} `no-svid` when the source has none yet, `invalid-material` when it cannot be
 *   presented, `unknown-option`, `forbidden-option` or `invalid-option`
 */
export function createSvidServer(
  source: X509MaterialSource,
  options: SvidServerOptions & { readonly http2: true },
  requestListener?: Http2RequestListener,
): Http2SecureServer
export function createSvidServer(
  source: X509MaterialSource,
  options?: SvidServerOptions & { readonly http2?: false },
  requestListener?: RequestListener,
): https.Server
export function createSvidServer(
  source: X509MaterialSource,
  options: SvidServerOptions = {},
  requestListener?: RequestListener | Http2RequestListener,
): https.Server | Http2SecureServer {
  assertSource(source)
  const settings = serverSettings(options)
  const server = httpServer(settings)
  followExchanges(server)
  const identity = secure(server, source, settings)
  setIdentity(server, identity)
  server.on('close', () => identity.close())
  if (requestListener !== undefined) server.on('request', requestListener)
  return server
}

// The server starts without certificate and key: Node's HTTP/2 server would keep its options.
const httpServer = (settings: ServerSettings): https.Server | Http2SecureServer => {
  const tls: TlsOptions = {
    ...contextOptions(null, settings.minVersion),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: settings.handshakeTimeoutMs,
  }
  if (!settings.http2) return https.createServer({ ...settings.http, ...tls })
  const { allowHTTP1 } = settings
  const server = http2.createSecureServer({ ...settings.http, ...tls, allowHTTP1 })
  followSessions(server)
  return server
}

const secure = (
  server: https.Server | Http2SecureServer,
  source: X509MaterialSource,
  settings: ServerSettings,
): ServerIdentity => {
  const { clock, clientCertificate } = settings
  const verifier = new PeerVerifier(source, settings.maxCachedVerdicts)
  const connections = new ConnectionRegistry(server, settings)
  const counters = { accepted: 0, rejected: 0, handshakesFailed: 0 }
  const contexts = new SecureContextManager(server, source, settings)
  new Acceptor({ verifier, connections, counters, clientCertificate, clock }).interpose(server)
  return new ServerIdentity({ source, contexts, connections, counters, verifier, clock })
}
