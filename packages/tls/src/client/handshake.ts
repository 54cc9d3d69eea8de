import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { TlsError } from '../errors.ts'

export interface HandshakeOptions {
  readonly timeoutMs: number
  /** Runs first after the handshake; throws when the server proves nothing. */
  readonly prove: () => void
}

const unprovenSockets = new WeakSet<Duplex>()

/** Returns whether a connection is still being made, so that its server has proven nothing yet. */
export function isUnproven(socket: Duplex): boolean {
  return unprovenSockets.has(socket)
}

/**
 * Destroys a connection that was just started with a {@link TlsError}, unless its server is proven in
 * time. What was written to it before is encrypted and sent only after the proof.
 */
export function superviseHandshake(
  socket: TLSSocket,
  { timeoutMs, prove }: HandshakeOptions,
): void {
  unprovenSockets.add(socket)
  // Node calls this method when the connection fails, and the application when it gives up.
  const destroy = socket.destroy.bind(socket)
  socket.destroy = (error) =>
    destroy(error == null || isRequestDestroyed(socket) ? error : handshakeFailure(socket, error))
  const settle = (): void => {
    clearTimeout(timer)
    unprovenSockets.delete(socket)
    Reflect.deleteProperty(socket, 'destroy')
  }
  const timer = setTimeout(() => {
    const message = `no verified connection within ${timeoutMs} ms`
    socket.destroy(new TlsError('connect-timeout', message))
  }, timeoutMs)
  socket.once('close', settle)
  // First and synchronous: right after the listeners Node encrypts what waits to be sent.
  socket.prependOnceListener('secureConnect', () => {
    try {
      prove()
      socket.off('close', settle)
      settle()
    } catch (error) {
      socket.destroy(connectFailure(error))
    }
  })
}

/** Returns whether the request on a socket was destroyed, which is no failure of the connection. */
function isRequestDestroyed(socket: TLSSocket): boolean {
  // Every version of Node's HTTP client and agent keeps the request in this property.
  const request: unknown = Reflect.get(socket, '_httpMessage')
  return (
    typeof request === 'object' && request !== null && Reflect.get(request, 'destroyed') === true
  )
}

function handshakeFailure(socket: TLSSocket, cause: Error): TlsError {
  // Node has refused the certificate of a server of the Web PKI, or its name.
  if (cause instanceof TlsError || !isRefusedByNode(socket)) return connectFailure(cause)
  const message = 'the server has not proven its name to the Web PKI'
  return new TlsError('server-refused', message, { cause })
}

// Node sets it to `null` first; no other error comes between this property and the proof of a server.
function isRefusedByNode({
  authorizationError,
}: {
  readonly authorizationError: unknown
}): boolean {
  return authorizationError !== null && authorizationError !== undefined
}

/** Makes the error with which a connection fails. */
export function connectFailure(cause: unknown): TlsError {
  if (cause instanceof TlsError) return cause
  const reason = cause instanceof Error ? cause.message : 'a value that is not an Error was thrown'
  return new TlsError('connect-failed', `the TLS connection failed: ${reason}`, { cause })
}
