import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { FastifyBaseLogger } from 'fastify'
import { listen, type End } from './listen.ts'

interface Refusal {
  readonly code: string
  readonly message: string
}

/** Logs SVIDs and bundles that came and were not used; what was held before serves on. */
export const logRefusedMaterial = (
  server: object,
  source: X509MaterialSource,
  log: FastifyBaseLogger,
): End => {
  const tell = (what: string, { code, message }: Refusal): void =>
    log.error({ code, reason: message }, `${what} refused: the last good one serves on`)
  const ends = [
    listen('spiffe:server:svid-refused', (event) => {
      if (event.server === server) tell('SVID', event)
    }),
    listen('spiffe:svid:rejected', (event) => {
      if (event.endpoint === source.endpoint) tell('SVID', event)
    }),
    listen('spiffe:bundle:rejected', (event) => {
      if (event.endpoint === source.endpoint) tell('bundle', event)
    }),
  ]
  return () => ends.forEach((end) => end())
}
