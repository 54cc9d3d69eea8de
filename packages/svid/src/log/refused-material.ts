import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { FastifyBaseLogger } from 'fastify'
import { LogRateLimiter } from './log-rate-limiter.ts'
import { subscribeTo, type Unsubscribe } from './subscribe-to.ts'

interface RejectedMaterial {
  readonly code: string
  readonly message: string
}

/**
 * Logs SVIDs and bundles that the source or the server refused; the last good ones stay in use. At most ten
 * lines in ten seconds; the last refusal of that time follows.
 */
export function logRefusedMaterial(
  server: object,
  source: X509MaterialSource,
  log: FastifyBaseLogger,
): Unsubscribe {
  let latest = { what: 'SVID', code: '', message: '' }
  const limiter = new LogRateLimiter((suppressed) => {
    const { what, code, message } = latest
    log.error(
      { code, reason: message, ...(suppressed > 0 && { suppressed }) },
      `${what} refused: the last good one stays in use`,
    )
  })
  const report = (what: string, { code, message }: RejectedMaterial): void => {
    latest = { what, code, message }
    limiter.log()
  }
  const ends = [
    subscribeTo('spiffe:server:svid-refused', (event) => {
      if (event.server === server) report('SVID', event)
    }),
    subscribeTo('spiffe:svid:rejected', (event) => {
      if (event.endpoint === source.endpoint) report('SVID', event)
    }),
    subscribeTo('spiffe:bundle:rejected', (event) => {
      if (event.endpoint === source.endpoint) report('bundle', event)
    }),
  ]
  return () => {
    ends.forEach((end) => end())
    limiter.close()
  }
}
