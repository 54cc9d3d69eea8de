import type { FastifyBaseLogger } from 'fastify'
import { subscribeTo, type Unsubscribe } from './subscribe-to.ts'

/** Logs each SVID that a server begins to present. */
export function logRotations(server: object, log: FastifyBaseLogger): Unsubscribe {
  return subscribeTo('spiffe:server:svid-applied', (event) => {
    if (event.server !== server) return
    const fields = {
      spiffeId: event.spiffeId.toString(),
      serialNumber: event.serialNumber,
      notAfter: new Date(event.notAfter).toISOString(),
      generation: event.generation,
    }
    log.info(fields, 'SVID rotated')
  })
}
