import type { SourceProblem, SourceState } from './source.ts'

/** A source that opens and gets nothing for this long reports that it waits. */
export const QUIET_MS = 5_000

export interface ProblemsOptions<E extends SourceProblem> {
  readonly endpoint: string
  /** The class of the source, for warnings. */
  readonly name: string
  /** The type of the warnings. */
  readonly warningType: string
  /** What to report when nothing at all has come for {@link QUIET_MS}. */
  readonly onQuiet: () => E
  /** Puts a problem on a diagnostics channel. */
  readonly publish: (endpoint: string, state: SourceState, problem: E) => void
  /** Default: `process.emitWarning` while the source opens, and nothing later. */
  readonly onProblem: ((problem: E) => void) | undefined
}

/** What is known of a state of the source. */
interface Progress<E> {
  readonly state: SourceState
  readonly error: E | null
}

/**
 * Reports what keeps a source from being ready: each code once, until the source is ready again. The
 * state alone does not show it: a source without an agent is `stale` for any reason, and a source that
 * opens is `starting`.
 */
export class Problems<E extends SourceProblem> {
  readonly #options: ProblemsOptions<E>
  readonly #reported = new Set<string>()
  #isOpening = true
  #timer: NodeJS.Timeout | undefined

  constructor(options: ProblemsOptions<E>) {
    this.#options = options
    this.#timer = setTimeout(() => {
      if (this.#reported.size === 0) this.#report('starting', options.onQuiet())
    }, QUIET_MS)
    this.#timer.unref()
  }

  /** Called with every state of the source. */
  onSnapshot({ state, error }: Progress<E>): void {
    if (state === 'ready' || state === 'closed') this.#reported.clear()
    else if (error !== null) this.#report(state, error)
  }

  /** Called when the wait for the first SVID or bundles has ended, with or without success. */
  opened(): void {
    clearTimeout(this.#timer)
    this.#isOpening = false
  }

  #report(state: SourceState, error: E): void {
    if (this.#reported.has(error.code)) return
    this.#reported.add(error.code)
    const { endpoint, name, warningType, publish, onProblem } = this.#options
    publish(endpoint, state, error)
    if (onProblem !== undefined) onProblem(error)
    else if (this.#isOpening) {
      const { code, message } = error
      process.emitWarning(`${name}.open() waits: ${message}`, { type: warningType, code })
    }
  }
}
