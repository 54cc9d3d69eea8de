import type { SourceProblem, SourceState, X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { FastifyBaseLogger } from 'fastify'
import { subscribeTo, type Unsubscribe } from './subscribe-to.ts'
import { LogRateLimiter } from './log-rate-limiter.ts'

type Level = 'info' | 'warn' | 'error'

/**
 * Logs each change of the state of a source, with the code and the cause if the source has them, and each
 * further cause once until the source is ready again. At most ten lines in ten seconds; the state at the
 * end of that time follows. A source that has ended keeps its state when its SVID expires, so that the
 * withdrawal of the SVID from the server is logged too.
 */
export function logSourceStates(
  server: object,
  source: X509MaterialSource,
  log: FastifyBaseLogger,
): Unsubscribe {
  let logged = source.state
  const causes = new Set<string>()
  const write = (problem: SourceProblem | null | undefined, suppressed: number): void => {
    const { state } = source
    if (state === 'ready') causes.clear()
    const [level, message] = STATE_MESSAGES[state]
    // The last problem of a source that is ready is over.
    const cause = state === 'ready' || state === 'closed' ? null : problem
    if (cause) causes.add(cause.code)
    log[levelOf(level, state, cause)](
      { state, ...causeFields(cause), ...(suppressed > 0 && { suppressed }) },
      message,
    )
  }
  const limiter = new LogRateLimiter((suppressed) => {
    logged = source.state
    write(source.error, suppressed)
  })
  const unsubscribe = source.onUpdate(() => {
    if (source.state === logged) return
    logged = source.state
    limiter.log()
  })
  const unsubscribeProblems = subscribeTo('spiffe:source:problem', ({ endpoint, code }) => {
    if (endpoint !== source.endpoint || causes.has(code) || source.state === 'closed') return
    causes.add(code)
    limiter.log()
  })
  const unsubscribeWithdrawals = subscribeTo('spiffe:server:svid-withdrawn', (event) => {
    const { state } = source
    if (event.server !== server || (state !== 'failed' && state !== 'closed')) return
    log.error(
      { state, spiffeId: event.spiffeId.toString() },
      'SVID has expired: new handshakes fail',
    )
  })
  return () => {
    unsubscribe()
    unsubscribeProblems()
    unsubscribeWithdrawals()
    limiter.close()
  }
}

function causeFields(cause: SourceProblem | null | undefined): object {
  return cause ? { code: cause.code, reason: cause.message } : {}
}

// An SVID that is not yet valid deserves a warning: the clocks differ.
function levelOf(level: Level, state: SourceState, cause: unknown): Level {
  return state === 'starting' && cause ? 'warn' : level
}

const STATE_MESSAGES: Readonly<Record<SourceState, readonly [Level, string]>> = {
  starting: ['info', 'source of the SVID is starting: there is no SVID to present yet'],
  ready: ['info', 'source of the SVID is ready'],
  stale: ['warn', 'source of the SVID is interrupted: the last SVID stays in use'],
  denied: ['error', 'source has no SVID for this service: new handshakes fail'],
  expired: ['error', 'SVID has expired while its source is interrupted: new handshakes fail'],
  failed: ['error', 'source of the SVID has failed for good'],
  closed: ['warn', 'source of the SVID is closed'],
}
