import type { FastifyBaseLogger } from 'fastify'
import { listen, type End } from './listen.ts'

/**
 * Logs the clients that a server cut at the handshake: those whose event carries a reason, ten a second
 * at most. The others are counted, and told as `untold` with the next line.
 */
export const logCutClients = (server: object, log: FastifyBaseLogger): End => {
  let untold = 0
  return listen('spiffe:peer:rejected', (event) => {
    if (event.server !== server) return
    const { code, message, remoteAddress } = event
    if (message === null) {
      untold++
      return
    }
    const fields = { code, reason: message, remoteAddress, ...(untold > 0 && { untold }) }
    untold = 0
    log.info(fields, 'client cut at the handshake')
  })
}
