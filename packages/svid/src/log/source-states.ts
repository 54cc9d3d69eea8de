import type { SourceState, X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { FastifyBaseLogger } from 'fastify'
import type { End } from './listen.ts'

/** Logs where the source of an SVID stands, each time that changes. */
export const logSourceStates = (source: X509MaterialSource, log: FastifyBaseLogger): End => {
  let logged = source.state
  return source.onUpdate(() => {
    const { state } = source
    if (state === logged) return
    logged = state
    const [level, message] = news[state]
    log[level]({ state }, message)
  })
}

const news: Readonly<Record<SourceState, readonly ['info' | 'warn' | 'error', string]>> = {
  starting: ['info', 'source of the SVID is starting'],
  ready: ['info', 'source of the SVID is ready'],
  stale: ['warn', 'source of the SVID is interrupted: the last SVID serves on'],
  denied: ['error', 'source says that this service has no SVID: new handshakes fail'],
  expired: ['error', 'SVID has expired while its source is interrupted: new handshakes fail'],
  failed: ['error', 'source of the SVID has ended for good'],
  closed: ['warn', 'source of the SVID is closed'],
}
