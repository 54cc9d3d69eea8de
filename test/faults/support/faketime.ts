import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Where Debian and its relatives put it, beneath the name of the architecture. */
const LIBRARY = 'faketime/libfaketimeMT.so.1'

/** The path of libfaketime, or `null` when it is not installed. */
export function findFaketime(): string | null {
  const folders = ['/usr/lib', ...(existsSync('/usr/lib') ? readdirSync('/usr/lib') : [])]
  const files = folders.map((folder) => join('/usr/lib', folder, LIBRARY))
  return files.find((file) => existsSync(file)) ?? null
}

/** A clock for child processes, which can be set while they run. */
export class FakeClock implements AsyncDisposable {
  readonly #library: string
  readonly #folder: string

  private constructor(library: string, folder: string) {
    this.#library = library
    this.#folder = folder
  }

  static async create(library: string): Promise<FakeClock> {
    const clock = new FakeClock(library, await mkdtemp(join(tmpdir(), 'clock-')))
    await clock.set(0)
    return clock
  }

  /** What a process that lives by this clock has in its environment. */
  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: this.#library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      // Timers keep their pace, as they do when an administrator sets the clock.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    }
  }

  /** Sets it so many seconds ahead of the real one, or behind it. */
  async set(offsetSeconds: number): Promise<void> {
    const sign = offsetSeconds < 0 ? '-' : '+'
    // Renamed into place, so that nobody reads half of it.
    await writeFile(`${this.#file}.next`, `${sign}${Math.abs(offsetSeconds)}\n`)
    await rename(`${this.#file}.next`, this.#file)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.#folder, 'faketime')
  }
}
