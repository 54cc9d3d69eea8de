import type { SourceProblem, SourceState, X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { FastifyBaseLogger } from 'fastify'
import { listen, type End } from './listen.ts'
import { LineBudget } from './line-budget.ts'

type Level = 'info' | 'warn' | 'error'

/**
 * Logs where the source of an SVID stands each time that changes, with the code and the cause where the
 * source says them, and each further cause once until the source is ready again. A source that goes up
 * and down without end gets ten lines in ten seconds; where it stands then follows. A source that has ended keeps its state
 * when its SVID expires: that the server presents none any more is a line of its own.
 */
export const logSourceStates = (
  server: object,
  source: X509MaterialSource,
  log: FastifyBaseLogger,
): End => {
  let logged = source.state
  const causes = new Set<string>()
  const write = (problem: SourceProblem | null | undefined, suppressed: number): void => {
    const { state } = source
    if (state === 'ready') causes.clear()
    const [level, message] = STATE_MESSAGES[state]
    // What was last in the way of a source that is ready is over.
    const cause = state === 'ready' || state === 'closed' ? null : problem
    if (cause) causes.add(cause.code)
    log[levelOf(level, state, cause)](
      { state, ...causeFields(cause), ...(suppressed > 0 && { suppressed }) },
      message,
    )
  }
  const budget = new LineBudget((suppressed) => {
    logged = source.state
    write(source.error, suppressed)
  })
  const unsubscribe = source.onUpdate(() => {
    if (source.state === logged) return
    logged = source.state
    budget.spend()
  })
  const endProblems = listen('spiffe:source:problem', ({ endpoint, code }) => {
    if (endpoint !== source.endpoint || causes.has(code) || source.state === 'closed') return
    causes.add(code)
    budget.spend()
  })
  const endWithdrawals = listen('spiffe:server:svid-withdrawn', (event) => {
    const { state } = source
    if (event.server !== server || (state !== 'failed' && state !== 'closed')) return
    log.error(
      { state, spiffeId: event.spiffeId.toString() },
      'SVID has expired: new handshakes fail',
    )
  })
  return () => {
    unsubscribe()
    endProblems()
    endWithdrawals()
    budget.close()
  }
}

const causeFields = (cause: SourceProblem | null | undefined): object =>
  cause ? { code: cause.code, reason: cause.message } : {}

// An SVID that waits for its time is worth a look: clocks are apart.
const levelOf = (level: Level, state: SourceState, cause: unknown): Level =>
  state === 'starting' && cause ? 'warn' : level

const STATE_MESSAGES: Readonly<Record<SourceState, readonly [Level, string]>> = {
  starting: ['info', 'source of the SVID is starting: there is no SVID to present yet'],
  ready: ['info', 'source of the SVID is ready'],
  stale: ['warn', 'source of the SVID is interrupted: the last SVID serves on'],
  denied: ['error', 'source says that this service has no SVID: new handshakes fail'],
  expired: ['error', 'SVID has expired while its source is interrupted: new handshakes fail'],
  failed: ['error', 'source of the SVID has ended for good'],
  closed: ['warn', 'source of the SVID is closed'],
}
