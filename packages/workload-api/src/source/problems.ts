import type { SourceState } from '@fastify-spiffe/spiffe'

import { WorkloadApiError } from '../errors.ts'

/** A source that opens and gets no answer for this long reports that it waits. */
const QUIET_MS = 5_000

export type OnProblem = (problem: WorkloadApiError) => void

export interface ProblemsOptions {
  readonly endpoint: string
  /** The class of the source, for warnings. */
  readonly name: string
  /** Puts a problem on a diagnostics channel. */
  readonly publish: (endpoint: string, state: SourceState, problem: WorkloadApiError) => void
  /** Default: `process.emitWarning` while the source opens, and nothing later. */
  readonly onProblem: OnProblem | undefined
}

/** What is known of a state of the source. */
interface Progress {
  readonly state: SourceState
  readonly error: WorkloadApiError | null
}

/**
 * Reports what keeps a source from being ready: each code once, until the source is ready again. The
 * state alone does not show it: a source without an agent is `stale` for any reason, and a source that
 * opens is `starting`.
 */
export class Problems {
  readonly #options: ProblemsOptions
  readonly #reported = new Set<string>()
  #isOpening = true
  #timer: NodeJS.Timeout | undefined

  constructor(options: ProblemsOptions) {
    this.#options = options
    const text = `no answer from the Workload API at ${options.endpoint} for ${QUIET_MS} ms`
    const message = `${text}: still waiting; see that it is the socket of an agent, and that the agent is healthy`
    this.#timer = setTimeout(() => {
      if (this.#reported.size === 0)
        this.#report('starting', new WorkloadApiError('timeout', message))
    }, QUIET_MS)
    this.#timer.unref()
  }

  /** Called with every state of the source. */
  onSnapshot({ state, error }: Progress): void {
    if (state === 'ready' || state === 'closed') this.#reported.clear()
    else if (error !== null) this.#report(state, error)
  }

  /** Called when the wait for the first SVID or bundles has ended, with or without success. */
  opened(): void {
    clearTimeout(this.#timer)
    this.#isOpening = false
  }

  #report(state: SourceState, error: WorkloadApiError): void {
    if (this.#reported.has(error.code)) return
    this.#reported.add(error.code)
    const { endpoint, name, publish, onProblem } = this.#options
    publish(endpoint, state, error)
    if (onProblem !== undefined) onProblem(error)
    else if (this.#isOpening) {
      const { code, message } = error
      process.emitWarning(`${name}.open() waits: ${message}`, {
        type: 'WorkloadApiWarning',
        code,
      })
    }
  }
}
