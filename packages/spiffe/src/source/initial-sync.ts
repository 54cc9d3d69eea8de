import type { SourceProblem } from './source.ts'

/** What a wait needs to know of a state of the source. */
interface Progress<E> {
  /** Whether what is waited for is there. */
  readonly isUsable: boolean
  readonly error: E | null
}

/** Makes an error with the code of another one, and a message that says more. */
export type Explain<E> = (latest: E, message: string) => E

/** The wait of a source for its first SVID or bundles. It remembers the last error, to explain a timeout. */
export class InitialSync<E extends SourceProblem> {
  #latest: E | null = null
  #resolve: () => void = () => {}
  #reject: (error: E) => void = () => {}
  readonly #awaited: string
  readonly #explainBy: Explain<E>
  readonly #first = new Promise<void>((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })

  /** @param awaited what the source waits for, as the end of "waiting for" */
  constructor(awaited: string, explain: Explain<E>) {
    this.#awaited = awaited
    this.#explainBy = explain
  }

  /** Called with every state of the source. */
  onSnapshot({ isUsable, error }: Progress<E>): void {
    this.#latest = error
    if (isUsable) this.#resolve()
  }

  /** Ends the wait with an error: nothing can come any more. */
  fail(error: E): void {
    this.#reject(error)
  }

  /**
   * Resolves when what is waited for has come. The signal's reason must be an error of the source.
   * @throws the signal's reason; for `timeout`, the last error instead
   */
  async wait(signal: AbortSignal): Promise<void> {
    const ended = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(this.#explain(signal.reason)), { once: true })
    })
    await Promise.race([this.#first, ended])
  }

  /** The last error says more than that the time is up. */
  #explain(reason: E): E {
    const latest = this.#latest
    if (reason.code !== 'timeout' || latest === null) return reason
    return this.#explainBy(latest, `gave up waiting for ${this.#awaited}: ${latest.message}`)
  }
}
