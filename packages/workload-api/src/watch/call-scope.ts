import type { SetTimer } from '@fastify-spiffe/spiffe'
import { MAX_TIMER_MS, setReferencedTimer } from '@fastify-spiffe/spiffe/internal'

import { WorkloadApiError } from '../errors.ts'
import { reader } from '../options.ts'

export interface CallScopeOptions {
  /** The signal of the code that waits for the call. */
  readonly signal: AbortSignal | undefined
  /** The signal of the client or source that makes the call; aborts with a {@link WorkloadApiError}. */
  readonly owner?: AbortSignal
  /** The longest time that the call may take, in milliseconds. */
  readonly timeoutMs?: number
  /** Default: a timer of Node that keeps the process alive. */
  readonly setTimer?: SetTimer
}

/**
 * Joins everything that may end a call into one signal, whose reason is always a
 * {@link WorkloadApiError}: `aborted`, `closed` or `timeout`. `release` removes its listeners from the
 * other signals, which may live for long.
 */
export class CallScope {
  readonly #controller = new AbortController()
  readonly #cleanups: (() => void)[] = []

  constructor(options: CallScopeOptions) {
    const { signal, owner, timeoutMs, setTimer = setReferencedTimer } = options
    this.#follow(owner, (reason) => reason)
    this.#follow(
      signal,
      (cause) => new WorkloadApiError('aborted', 'the wait was aborted', { cause }),
    )
    if (timeoutMs === undefined) return
    const limitMs = reader.asDuration('timeoutMs', timeoutMs, { min: 1, max: MAX_TIMER_MS })
    const message = `no answer from the Workload API within ${limitMs} ms`
    const end = (): void => this.#controller.abort(new WorkloadApiError('timeout', message))
    this.#cleanups.push(setTimer(end, limitMs))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Settles as the promise does, unless the signal aborts before: then it rejects with its reason. */
  async orEnd<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this
    signal.throwIfAborted()
    const settled = new AbortController()
    const ended = new Promise<never>((_resolve, reject) => {
      const options = { once: true, signal: settled.signal }
      signal.addEventListener('abort', () => reject(signal.reason), options)
    })
    try {
      return await Promise.race([promise, ended])
    } finally {
      settled.abort()
    }
  }

  release(): void {
    for (const cleanup of this.#cleanups.splice(0)) cleanup()
  }

  #follow(signal: AbortSignal | undefined, reason: (theirs: unknown) => unknown): void {
    if (signal === undefined) return
    const abort = (): void => this.#controller.abort(reason(signal.reason))
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    this.#cleanups.push(() => signal.removeEventListener('abort', abort))
  }
}
