import { FileSourceError } from '../errors.ts'

interface OpenScopeParts {
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
}

/** What ends the wait for the first set of files: a signal whose reason is a {@link FileSourceError}. */
export class OpenScope implements Disposable {
  readonly #controller = new AbortController()
  readonly #parts: OpenScopeParts
  readonly #timer: NodeJS.Timeout
  readonly #onAbort: () => void

  constructor(parts: OpenScopeParts) {
    const { signal, timeoutMs } = parts
    this.#parts = parts
    this.#onAbort = () => {
      const cause: unknown = signal?.reason
      this.#end(new FileSourceError('aborted', 'the wait was aborted', { cause }))
    }
    // Keeps the process alive: somebody waits for it.
    this.#timer = setTimeout(() => {
      this.#end(new FileSourceError('timeout', `the files were not read within ${timeoutMs} ms`))
    }, timeoutMs)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (signal?.aborted === true) this.#onAbort()
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#parts.signal?.removeEventListener('abort', this.#onAbort)
  }

  #end(reason: FileSourceError): void {
    this.#controller.abort(reason)
  }
}
