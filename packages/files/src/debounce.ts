import type { SetTimer } from '@fastify-spiffe/spiffe'

export interface DebounceParts {
  /** A call comes once nothing has happened for so long, in milliseconds. */
  readonly settleMs: number
  /** And after so many milliseconds at the latest, whatever happens meanwhile. */
  readonly maxDelayMs: number
  readonly setTimer: SetTimer
}

/** Makes one call of many that come in a row. */
export class Debounce {
  readonly #parts: DebounceParts
  readonly #callback: () => void
  #cancelSettling: (() => void) | undefined
  #cancelDeadline: (() => void) | undefined

  constructor(callback: () => void, parts: DebounceParts) {
    this.#callback = callback
    this.#parts = parts
  }

  call(): void {
    const { settleMs, maxDelayMs, setTimer } = this.#parts
    const fire = (): void => {
      this.cancel()
      this.#callback()
    }
    this.#cancelSettling?.()
    this.#cancelSettling = setTimer(fire, settleMs)
    this.#cancelDeadline ??= setTimer(fire, maxDelayMs)
  }

  cancel(): void {
    this.#cancelSettling?.()
    this.#cancelDeadline?.()
    this.#cancelSettling = undefined
    this.#cancelDeadline = undefined
  }
}
