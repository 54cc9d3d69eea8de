import type { ServerIdentity } from '@fastify-spiffe/tls'
import type { FastifyBaseLogger } from 'fastify'
import { listen, type End } from './listen.ts'

/** Logs each SVID that a server puts on the wire. */
export const logRotations = (identity: ServerIdentity, log: FastifyBaseLogger): End => {
  let logged = identity.generation
  return listen('spiffe:svid:updated', () => {
    const { generation, svid } = identity
    // Another server's event, or that of a source: this server has rotated when its generation grew.
    if (generation === logged || svid === null) return
    logged = generation
    const fields = {
      spiffeId: svid.spiffeId.toString(),
      serialNumber: svid.leaf.serialNumber,
      notAfter: new Date(svid.notAfter).toISOString(),
      generation,
    }
    log.info(fields, 'SVID rotated')
  })
}
