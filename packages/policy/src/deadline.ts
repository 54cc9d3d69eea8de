import type { SetTimer } from '@fastify-spiffe/spiffe'
import { setReferencedTimer } from '@fastify-spiffe/spiffe/internal'

/** Passed to a check: its signal aborts when the answer is no longer needed. */
export interface CheckContext {
  /** Aborts at the deadline. Hand it to whatever the check waits for. */
  readonly signal: AbortSignal
}

/** The deadline of one call of a check. Made for every call, so that the signal is made only if the check asks for it. */
export class Deadline implements CheckContext {
  #controller: AbortController | undefined

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  /** Settles as `answer` does, or with `late` when `timeoutMs` pass first. */
  async race<T>(
    answer: PromiseLike<T>,
    timeoutMs: number,
    late: T,
    setTimer: SetTimer = setReferencedTimer,
  ): Promise<T> {
    let cancel: (() => void) | undefined
    const expiry = new Promise<T>((resolve) => {
      cancel = setTimer(() => {
        resolve(late)
        this.#controller?.abort(new DOMException('The check missed its deadline', 'TimeoutError'))
      }, timeoutMs)
    })
    try {
      return await Promise.race([answer, expiry])
    } finally {
      cancel?.()
    }
  }
}
