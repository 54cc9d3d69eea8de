import { WorkloadApiError } from '../errors.ts'
import { publishProblem } from './events.ts'
import type { Snapshot } from './snapshot.ts'

/** After so long without any answer, a source that opens says that it waits. */
const QUIET_MS = 5_000

export type OnProblem = (problem: WorkloadApiError) => void

export interface ProblemsOptions {
  readonly endpoint: string
  /** `undefined`: while the source opens, `process.emitWarning`; later nobody. */
  readonly onProblem: OnProblem | undefined
}

/**
 * Says what stands in the way of a source: each code once, until the source is ready again. Updates do
 * not say it, because the state does not change by it: an agent that is away is `stale` whatever the
 * reason, and a source that opens is `starting`.
 */
export class Problems {
  readonly #options: ProblemsOptions
  readonly #told = new Set<string>()
  #isOpening = true
  #timer: NodeJS.Timeout | undefined

  constructor(options: ProblemsOptions) {
    this.#options = options
    const text = `no answer from the Workload API at ${options.endpoint} for ${QUIET_MS} ms`
    const message = `${text}: still waiting; see that it is the socket of an agent, and that the agent is healthy`
    this.#timer = setTimeout(() => {
      if (this.#told.size === 0) this.#tell('starting', new WorkloadApiError('timeout', message))
    }, QUIET_MS)
    this.#timer.unref()
  }

  /** Hears of every state that the source takes. */
  note({ state, error }: Snapshot): void {
    if (state === 'ready' || state === 'closed') this.#told.clear()
    else if (error !== null) this.#tell(state, error)
  }

  /** The wait for the first SVID is over, one way or the other. */
  opened(): void {
    clearTimeout(this.#timer)
    this.#isOpening = false
  }

  #tell(state: Snapshot['state'], error: WorkloadApiError): void {
    if (this.#told.has(error.code)) return
    this.#told.add(error.code)
    const { endpoint, onProblem } = this.#options
    publishProblem(endpoint, state, error)
    if (onProblem !== undefined) onProblem(error)
    else if (this.#isOpening) {
      const { code, message } = error
      process.emitWarning(`X509Source.open() waits: ${message}`, {
        type: 'WorkloadApiWarning',
        code,
      })
    }
  }
}
