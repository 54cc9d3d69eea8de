import type { FastifyBaseLogger } from 'fastify'
import { listen, type End } from './listen.ts'

/** Logs each SVID that a server puts on the wire. */
export const logRotations = (server: object, log: FastifyBaseLogger): End =>
  listen('spiffe:server:svid-applied', (event) => {
    if (event.server !== server) return
    const fields = {
      spiffeId: event.spiffeId.toString(),
      serialNumber: event.serialNumber,
      notAfter: new Date(event.notAfter).toISOString(),
      generation: event.generation,
    }
    log.info(fields, 'SVID rotated')
  })
