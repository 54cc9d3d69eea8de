import { WorkloadApiError } from '../errors.ts'
import type { Snapshot } from './snapshot.ts'

/** The wait of a source for its first SVID. It remembers the last error, to explain a timeout. */
export class InitialSync {
  #latest: WorkloadApiError | null = null
  #resolve: () => void = () => {}
  #reject: (error: WorkloadApiError) => void = () => {}
  readonly #first = new Promise<void>((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })

  /** Called with every state of the source. */
  onSnapshot({ svid, error }: Snapshot): void {
    this.#latest = error
    if (svid !== null) this.#resolve()
  }

  /** Ends the wait with an error: no SVID can come any more. */
  fail(error: WorkloadApiError): void {
    this.#reject(error)
  }

  /**
   * Resolves when the first SVID has come. The signal's reason must be a {@link WorkloadApiError}.
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
      `gave up waiting for an X.509-SVID: ${latest.message}`,
      {
        cause: latest,
      },
    )
  }
}
