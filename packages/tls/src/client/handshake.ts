import type { TLSSocket } from 'node:tls'
import { TlsError } from '../errors.ts'

export interface HandshakeOptions {
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  /** Throws when the server proves nothing. Runs as the very first thing after the handshake. */
  readonly prove: () => void
}

/** Waits for the handshake and the proof; a socket that fails either is destroyed. */
export const handshake = (
  socket: TLSSocket,
  { timeoutMs, signal, prove }: HandshakeOptions,
): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      socket.off('secureConnect', onSecureConnect).off('close', onClose).off('error', onError)
    }
    const fail = (error: unknown): void => {
      settle()
      // What a dying socket still has to say concerns nobody.
      socket.on('error', () => undefined)
      socket.destroy()
      reject(error)
    }
    const onSecureConnect = (): void => {
      try {
        prove()
      } catch (error) {
        fail(error)
        return
      }
      settle()
      resolve()
    }
    const onError = (cause: Error): void =>
      fail(new TlsError('connect-failed', `the TLS connection failed: ${cause.message}`, { cause }))
    const onClose = (): void =>
      fail(new TlsError('connect-failed', 'the server closed the connection during the handshake'))
    const onAbort = (): void => fail(signal?.reason)
    const timer = setTimeout(() => {
      fail(new TlsError('connect-timeout', `no verified connection within ${timeoutMs} ms`))
    }, timeoutMs)
    socket.on('secureConnect', onSecureConnect).on('close', onClose).on('error', onError)
    signal?.addEventListener('abort', onAbort)
  })
