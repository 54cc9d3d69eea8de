import { WorkloadApiError } from '../errors.ts'
import type { Snapshot } from './snapshot.ts'

/** The wait for the first SVID of a source, and the memory of what stood in its way. */
export class Opening {
  #latest: WorkloadApiError | null = null
  #resolve: () => void = () => {}
  #reject: (error: WorkloadApiError) => void = () => {}
  readonly #first = new Promise<void>((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })

  /** Hears of every state that the source takes. */
  note({ svid, error }: Snapshot): void {
    this.#latest = error
    if (svid !== null) this.#resolve()
  }

  /** There is no point in waiting any longer. */
  fail(error: WorkloadApiError): void {
    this.#reject(error)
  }

  /**
   * Resolves with the first SVID. The signal's reason must be a {@link WorkloadApiError}.
   * @throws {@link WorkloadApiError}
   */
  async wait(signal: AbortSignal): Promise<void> {
    const ended = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(this.#explain(signal.reason)), { once: true })
    })
    await Promise.race([this.#first, ended])
  }

  /** That the time is up says little; what has gone wrong meanwhile says more. */
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
