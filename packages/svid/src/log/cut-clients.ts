import type { ServerIdentity } from '@fastify-spiffe/tls'
import type { FastifyBaseLogger } from 'fastify'
import { listen, type End } from './listen.ts'

/**
 * Logs the clients that a server cut at the handshake: those whose event carries a reason, ten a second
 * at most. The others are counted, and told as `untold` with the next line.
 */
export const logCutClients = (identity: ServerIdentity, log: FastifyBaseLogger): End => {
  let seen = identity.counters.rejected
  let untold = 0
  return listen('spiffe:peer:rejected', ({ code, message, remoteAddress }) => {
    const { rejected } = identity.counters
    // Another server's event, or that of a client: this server has cut someone when its counter grew.
    if (rejected === seen) return
    seen = rejected
    if (message === null) {
      untold++
      return
    }
    const fields = { code, reason: message, remoteAddress, ...(untold > 0 && { untold }) }
    untold = 0
    log.info(fields, 'client cut at the handshake')
  })
}
