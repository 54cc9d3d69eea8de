import { InitialSync, Problems, QUIET_MS } from '@fastify-spiffe/spiffe/internal'
import type { ProblemPublisher } from '@fastify-spiffe/spiffe/internal'

import { WorkloadApiError } from '../errors.ts'

interface ProblemsParts {
  readonly endpoint: string
  /** The class of the source. */
  readonly name: string
  readonly publish: ProblemPublisher
  readonly onProblem: ((problem: WorkloadApiError) => void) | undefined
}

/** The wait for what a source has first. */
export function initialSyncFor(awaited: string): InitialSync<WorkloadApiError> {
  return new InitialSync(
    awaited,
    (latest, message) => new WorkloadApiError(latest.code, message, { cause: latest }),
  )
}

/** The problems of a source of the Workload API. */
export function problemsOf(parts: ProblemsParts): Problems<WorkloadApiError> {
  const text = `no answer from the Workload API at ${parts.endpoint} for ${QUIET_MS} ms`
  const message = `${text}: still waiting; see that it is the socket of an agent, and that the agent is healthy`
  return new Problems({
    ...parts,
    warningType: 'WorkloadApiWarning',
    onQuiet: () => new WorkloadApiError('timeout', message),
  })
}
