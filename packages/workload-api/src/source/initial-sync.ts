import { WorkloadApiError } from '../errors.ts'

/** What a wait needs to know of a state of the source. */
interface Progress {
  /** Whether what is waited for is there. */
  readonly isUsable: boolean
  readonly error: WorkloadApiError | null
}

/** The wait of a source for its first SVID or bundles. It remembers the last error, to explain a timeout. */
export class InitialSync {
  #latest: WorkloadApiError | null = null
  #resolve: () => void = () => {}
  #reject: (error: WorkloadApiError) => void = () => {}
  readonly #awaited: string
  readonly #first = new Promise<void>((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })

  /** @param awaited what the source waits for, as the end of "waiting for" */
  constructor(awaited: string) {
    this.#awaited = awaited
  }

  /** Called with every state of the source. */
  onSnapshot({ isUsable, error }: Progress): void {
    this.#latest = error
    if (isUsable) this.#resolve()
  }

  /** Ends the wait with an error: nothing can come any more. */
  fail(error: WorkloadApiError): void {
    this.#reject(error)
  }

  /**
   * Resolves when what is waited for has come. The signal's reason must be a {@link WorkloadApiError}.
   * @throws {@link WorkloadApiError} the signal's reason; for `timeout`, the last error instead
   */
  async wait(signal: AbortSignal): Promise<void> {
    const ended = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(this.#explain(signal.reason)), { once: true })
    })
    await Promise.race([this.#first, ended])
  }

  /** The last error says more than that the time is up. */
  #explain(reason: WorkloadApiError): WorkloadApiError {
    const latest = this.#latest
    if (reason.code !== 'timeout' || latest === null) return reason
    return new WorkloadApiError(
      latest.code,
      `gave up waiting for ${this.#awaited}: ${latest.message}`,
      {
        cause: latest,
      },
    )
  }
}
