import type { FastifyBaseLogger } from 'fastify'
import { cureOf } from './cures.ts'
import { listen, type End } from './listen.ts'

/**
 * Logs the clients that a server cut at the handshake, and those whose handshake failed: those whose event
 * carries a reason, ten a second at most. The others are counted by their code, and told as `untold` with
 * the next line of that code.
 */
export const logCutClients = (server: object, log: FastifyBaseLogger): End => {
  const untold = new Map<string, number>()
  const suppress = (code: string): void => void untold.set(code, (untold.get(code) ?? 0) + 1)
  const suppressed = (code: string): object => {
    const count = untold.get(code)
    untold.delete(code)
    return count === undefined ? {} : { untold: count }
  }
  const ends = [
    listen('spiffe:peer:rejected', (event) => {
      if (event.server !== server) return
      const { code, message, remoteAddress, claimedSpiffeId } = event
      if (message === null) return suppress(code)
      const fields = {
        code,
        reason: message,
        cure: cureOf(code),
        remoteAddress,
        // What the client says of itself: no field of ours that is proven is named like it.
        ...(claimedSpiffeId !== null && { claimedSpiffeId }),
        ...suppressed(code),
      }
      log.info(fields, 'client cut at the handshake')
    }),
    listen('spiffe:server:handshake-failed', (event) => {
      if (event.server !== server) return
      const { code, message, remoteAddress } = event
      if (message === null) return suppress(code)
      const fields = { code, reason: message, remoteAddress, ...suppressed(code) }
      // Port checks come every second.
      log[code === 'client-gone' ? 'debug' : 'info'](fields, 'handshake failed')
    }),
  ]
  return () => ends.forEach((end) => end())
}
