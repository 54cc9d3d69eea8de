import type { FastifyBaseLogger } from 'fastify'
import { cureOf } from './cures.ts'
import { subscribeTo, type Unsubscribe } from './subscribe-to.ts'

/**
 * Logs the clients that a server rejected, and those whose handshake failed, if their event has a message:
 * ten a second. The others are counted, and the next line of their code has the number as `suppressed`.
 */
export function logRejectedClients(server: object, log: FastifyBaseLogger): Unsubscribe {
  const suppressed = new Map<string, number>()
  const suppress = (code: string): void =>
    void suppressed.set(code, (suppressed.get(code) ?? 0) + 1)
  const takeSuppressed = (code: string): object => {
    const count = suppressed.get(code)
    suppressed.delete(code)
    return count === undefined ? {} : { suppressed: count }
  }
  const ends = [
    subscribeTo('spiffe:peer:rejected', (event) => {
      if (event.server !== server) return
      const { code, message, remoteAddress, claimedSpiffeId } = event
      if (message === null) return suppress(code)
      const fields = {
        code,
        reason: message,
        cure: cureOf(code),
        remoteAddress,
        // Unverified: named so that it cannot be confused with a proven `spiffeId`.
        ...(claimedSpiffeId !== null && { claimedSpiffeId }),
        ...takeSuppressed(code),
      }
      log.info(fields, 'client rejected at the handshake')
    }),
    subscribeTo('spiffe:server:handshake-failed', (event) => {
      if (event.server !== server) return
      const { code, message, remoteAddress } = event
      if (message === null) return suppress(code)
      const fields = { code, reason: message, remoteAddress, ...takeSuppressed(code) }
      // Port checks may come every second.
      log[code === 'client-gone' ? 'debug' : 'info'](fields, 'handshake failed')
    }),
  ]
  return () => ends.forEach((end) => end())
}
