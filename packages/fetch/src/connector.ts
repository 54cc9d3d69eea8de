import type { TLSSocket } from 'node:tls'
import { TlsError } from '@fastify-spiffe/tls'
import { connectFailure, dial } from '@fastify-spiffe/tls/internal'
import type { buildConnector } from 'undici'
import { FetchError } from './errors.ts'
import type { Settings } from './options.ts'

/** The time of undici's own connector. */
const KEEP_ALIVE_DELAY_MS = 60_000

/** Who hears of the connections that undici wants. */
export interface ConnectionObserver {
  onStart(socket: TLSSocket): void
  /** The server is proven. */
  onOpen(socket: TLSSocket): void
  onFailure(socket: TLSSocket | undefined): void
}

/**
 * Makes the function by which undici connects: over TLS only, and to proven servers only. Undici writes to a
 * connection after it was called back, so nothing of a request is sent before.
 */
export function connectorOf(
  settings: Settings,
  observer: ConnectionObserver,
): buildConnector.connector {
  return (target, callback) => {
    const fail = (reason: unknown, socket?: TLSSocket): void => {
      // Undici tries again and again after some of its own codes: none of them may reach it.
      callback(reason instanceof FetchError ? reason : connectFailure(reason), null)
      observer.onFailure(socket)
    }
    try {
      const socket = start(settings, target)
      observer.onStart(socket)
      waitForProof(socket, fail, () => {
        observer.onOpen(socket)
        callback(null, socket)
      })
    } catch (error) {
      // Later: undici expects no answer while it asks.
      process.nextTick(fail, error)
    }
  }
}

/** Calls back within the events, so that undici listens for errors before there can be another one. */
function waitForProof(
  socket: TLSSocket,
  fail: (reason: unknown, socket: TLSSocket) => void,
  succeed: () => void,
): void {
  const settle = (): void =>
    void socket.off('secureConnect', onSecureConnect).off('error', onError).off('close', onClose)
  const onSecureConnect = (): void => {
    // The server has proven nothing: the reason follows as an error.
    if (socket.destroyed) return
    settle()
    succeed()
  }
  const onError = (error: Error): void => {
    settle()
    // A destroyed socket may emit a second error.
    socket.on('error', () => undefined)
    fail(error, socket)
  }
  const onClose = (): void =>
    onError(new TlsError('connect-failed', 'the connection was closed during the handshake'))
  socket.on('secureConnect', onSecureConnect).on('error', onError).on('close', onClose)
}

function start({ connector, http2 }: Settings, target: buildConnector.Options): TLSSocket {
  const { protocol, hostname, port, servername } = target
  if (protocol !== 'https:') throw notHttps()
  const socket = dial(connector, {
    host: hostname,
    port: Number(port || 443),
    // The name in the header Host; it names nobody: the SPIFFE ID is the identity.
    servername: servername || undefined,
    ALPNProtocols: http2 ? ['h2', 'http/1.1'] : ['http/1.1'],
  })
  return socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
}

/** Makes the error of a request whose URL is not of the scheme `https:`. */
export function notHttps(): FetchError {
  return new FetchError('not-https', 'only https: URLs can be fetched, of redirects too')
}
