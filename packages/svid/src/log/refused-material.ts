import type { ServerIdentity } from '@fastify-spiffe/tls'
import type { FastifyBaseLogger } from 'fastify'
import { listen, type End, type MaterialRefusal } from './listen.ts'

/** Logs SVIDs and bundles that came and were not used; what was held before serves on. */
export const logRefusedMaterial = (identity: ServerIdentity, log: FastifyBaseLogger): End => {
  const tell =
    (what: string) =>
    ({ endpoint, code, message }: MaterialRefusal) => {
      if (endpoint === undefined ? !lagsBehind(identity) : endpoint !== endpointOf(identity)) return
      log.error({ code, reason: message }, `${what} refused: the last good one serves on`)
    }
  const ends = [
    listen('spiffe:svid:rejected', tell('SVID')),
    listen('spiffe:bundle:rejected', tell('bundle')),
  ]
  return () => ends.forEach((end) => end())
}

// A server that could not use what its source holds presents something else.
const lagsBehind = ({ source, svid }: ServerIdentity): boolean =>
  source.svid !== null && (svid === null || !source.svid.equals(svid))

const endpointOf = ({ source }: ServerIdentity): unknown =>
  'endpoint' in source ? source.endpoint : undefined
