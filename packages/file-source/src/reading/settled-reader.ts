import type { SetTimer } from '@fastify-spiffe/spiffe'
import { FileSourceError } from '../errors.ts'
import type { ReadRules, WatchedFile } from '../access/read-safely.ts'
import { Contents } from './contents.ts'

/** Two reads so far apart have to agree, in ms: longer than a writer takes from one file to the next. */
const SETTLE_MS = 50

export interface SettledReaderParts {
  readonly files: readonly WatchedFile[]
  readonly rules: ReadRules
  readonly setTimer: SetTimer
  /** Ends a wait between two reads. */
  readonly signal: AbortSignal
}

/** Reads files that somebody may be writing: all of them twice, and both times they have to be the same. */
export class SettledReader {
  readonly #parts: SettledReaderParts

  constructor(parts: SettledReaderParts) {
    this.#parts = parts
  }

  /**
   * The caller has to erase what it gets.
   * @throws {@link FileSourceError} `unsettled`
   */
  async read(): Promise<Contents> {
    const { files, rules } = this.#parts
    const first = await Contents.read(files, rules)
    const { digest } = first
    first.erase()
    await this.#settle()
    const second = await Contents.read(files, rules)
    if (second.digest === digest) return second
    second.erase()
    throw new FileSourceError('unsettled', 'the files changed while they were read')
  }

  #settle(): Promise<void> {
    const { setTimer, signal } = this.#parts
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = (): void => {
        cancel()
        signal.removeEventListener('abort', end)
        resolve()
      }
      const cancel = setTimer(end, SETTLE_MS)
      signal.addEventListener('abort', end, { once: true })
    })
  }
}
