import type { RequestListener } from 'node:http'
import http2, {
  type Http2SecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import https from 'node:https'
import { type X509MaterialSource } from '@fastify-spiffe/spiffe'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from '../errors.ts'
import { assertSource } from '../options.ts'
import { trackHttp1Requests } from './http1-requests.ts'
import type { HandshakeFailures } from './handshake-failures.ts'
import { trackHttp2Sessions } from './http2-sessions.ts'
import { secure, tlsOptions } from './secured-server.ts'
import { identityOf } from './server-identity.ts'
import { serverSettings, type ServerSettings, type SvidServerOptions } from './server-options.ts'
import { divertHttp2, SHARED_PROTOCOLS } from './shared-port.ts'

/** Handles a request that came over HTTP/2. */
export type Http2RequestListener = (
  request: Http2ServerRequest,
  response: Http2ServerResponse,
) => void

/**
 * Makes an HTTP server that presents the SVID of `source`, follows its rotations without closing a
 * connection, and accepts only peers that prove a SPIFFE ID of a trust domain in its bundles.
 *
 * It is a plain `https.Server` or `Http2SecureServer`: listen and close as usual. `close()` closes all
 * connections: idle ones at once, busy ones after their responses; what is left after `graceMs` is
 * destroyed. `peerOf(request.socket)` returns the peer, `identityOf(server)` the identity of the server.
 *
 * A `secureConnection` listener that is added later is also called for rejected connections: it has to
 * check `peerOf(socket)` first.
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
  const server = createChecked(settings)
  trackHttp1Requests(server)
  let failures: HandshakeFailures | undefined
  if (settings.http2 && !settings.allowHTTP1) {
    // Node answers 403 by HTTP/1.0, and emits no event.
    server.on('secureConnection', (socket) => {
      if (socket.alpnProtocol !== 'h2') failures?.report('no-application-protocol', socket)
    })
  }
  const share = settings.grpc === null ? null : divertHttp2(server, settings.grpc, settings.graceMs)
  failures = secure(server, source, settings)
  const identity = identityOf(server)
  if (identity !== undefined) share?.(identity)
  if (requestListener !== undefined) server.on('request', requestListener)
  return server
}

// Node's errors quote what it was given.
function createChecked(settings: ServerSettings): https.Server | Http2SecureServer {
  try {
    return httpServer(settings)
  } catch (cause) {
    const message = `Node refuses an option of http: ${describeCause(cause)}`
    throw new TlsError('invalid-option', message)
  }
}

function httpServer(settings: ServerSettings): https.Server | Http2SecureServer {
  const tls = tlsOptions(settings)
  if (!settings.http2) {
    const protocols = settings.grpc === null ? {} : { ALPNProtocols: [...SHARED_PROTOCOLS] }
    return https.createServer({ ...settings.http, ...tls, ...protocols })
  }
  const { allowHTTP1 } = settings
  const server = http2.createSecureServer({ ...settings.http, ...tls, allowHTTP1 })
  trackHttp2Sessions(server)
  return server
}
