import { SpiffeError } from '../errors.ts'
import type { WaitOptions } from './source.ts'

/** The subscriptions and waits of one source, which delegates to it. */
export class Updates {
  readonly #listeners = new Set<() => void>()
  readonly #closed = new AbortController()

  /** How many subscriptions and waits there are. */
  get size(): number {
    return this.#listeners.size
  }

  /** Adds a listener; the returned function removes it. */
  onUpdate(listener: () => void): () => void {
    // Wrapped, so that the same function subscribed twice is two subscriptions.
    const entry = (): void => listener()
    this.#listeners.add(entry)
    return () => this.#listeners.delete(entry)
  }

  /**
   * Resolves at the next {@link notify}.
   * @throws the signal's reason, or {@link SpiffeError} `source-closed`
   */
  nextUpdate({ signal }: WaitOptions = {}): Promise<void> {
    const ends = [this.#closed.signal, ...(signal === undefined ? [] : [signal])]
    return new Promise((resolve, reject) => {
      const aborted = ends.find((end) => end.aborted)
      if (aborted !== undefined) {
        reject(aborted.reason)
        return
      }
      const settle = (): void => {
        unsubscribe()
        for (const end of ends) end.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        settle()
        reject(ends.find((end) => end.aborted)?.reason)
      }
      const unsubscribe = this.onUpdate(() => {
        settle()
        resolve()
      })
      for (const end of ends) end.addEventListener('abort', onAbort)
    })
  }

  /** Calls every listener. When one throws, the others are called anyway, and the error is uncaught. */
  notify(): void {
    const failures: unknown[] = []
    // A copy: a listener that subscribes meanwhile waits for the next change.
    for (const listener of Array.from(this.#listeners)) {
      if (!this.#listeners.has(listener)) continue
      try {
        listener()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) {
      queueMicrotask(() => {
        throw failures.length === 1 ? failures[0] : new AggregateError(failures)
      })
    }
  }

  /** Rejects all waits and drops all listeners. */
  close(): void {
    this.#closed.abort(new SpiffeError('source-closed', 'the source is closed'))
    this.#listeners.clear()
  }
}
