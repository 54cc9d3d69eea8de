import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { TlsError } from '../errors.ts'

export interface HandshakeOptions {
  readonly timeoutMs: number
  /** Throws when the server proves nothing. Runs as the very first thing after the handshake. */
  readonly prove: () => void
}

const unproven = new WeakSet<Duplex>()

/** Whether a connection is still being made: its server has proven nothing yet, and may. */
export const isUnproven = (socket: Duplex): boolean => unproven.has(socket)

/**
 * Watches a connection that was just begun: it is destroyed, with a {@link TlsError}, unless its server
 * proves itself in time. Whatever was written to it before is encrypted only after the proof.
 */
export const superviseHandshake = (
  socket: TLSSocket,
  { timeoutMs, prove }: HandshakeOptions,
): void => {
  unproven.add(socket)
  // Node ends what fails to connect through this method, and so does who gives up.
  const destroy = socket.destroy.bind(socket)
  socket.destroy = (error) =>
    destroy(error == null || isOfRequest(socket) ? error : connectFailure(error))
  const settle = (): void => {
    clearTimeout(timer)
    unproven.delete(socket)
    Reflect.deleteProperty(socket, 'destroy')
  }
  const timer = setTimeout(() => {
    const message = `no verified connection within ${timeoutMs} ms`
    socket.destroy(new TlsError('connect-timeout', message))
  }, timeoutMs)
  socket.once('close', settle)
  // First of all listeners and synchronous: Node encrypts what waits to be sent right after them.
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

/** Whether the request that a socket serves has given up, which is no failure of the connection. */
const isOfRequest = (socket: TLSSocket): boolean => {
  // Node's HTTP client and agent name the request so, on every version.
  const request: unknown = Reflect.get(socket, '_httpMessage')
  return (
    typeof request === 'object' && request !== null && Reflect.get(request, 'destroyed') === true
  )
}

/** What to tell who wanted the connection. */
export const connectFailure = (cause: unknown): TlsError => {
  if (cause instanceof TlsError) return cause
  const reason = cause instanceof Error ? cause.message : 'something that is no error was thrown'
  return new TlsError('connect-failed', `the TLS connection failed: ${reason}`, { cause })
}
