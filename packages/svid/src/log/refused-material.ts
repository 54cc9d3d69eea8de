import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { FastifyBaseLogger } from 'fastify'
import { LineBudget } from './line-budget.ts'
import { listen, type End } from './listen.ts'

interface Refusal {
  readonly code: string
  readonly message: string
}

/**
 * Logs SVIDs and bundles that came and were not used; what was held before serves on. An agent that sends them without end
 * gets ten lines in ten seconds; the last of them then follows.
 */
export const logRefusedMaterial = (
  server: object,
  source: X509MaterialSource,
  log: FastifyBaseLogger,
): End => {
  let latest = { what: 'SVID', code: '', message: '' }
  const budget = new LineBudget((suppressed) => {
    const { what, code, message } = latest
    log.error(
      { code, reason: message, ...(suppressed > 0 && { suppressed }) },
      `${what} refused: the last good one serves on`,
    )
  })
  const tell = (what: string, { code, message }: Refusal): void => {
    latest = { what, code, message }
    budget.spend()
  }
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
  return () => {
    ends.forEach((end) => end())
    budget.close()
  }
}
