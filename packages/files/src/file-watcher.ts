import { basename, dirname, resolve } from 'node:path'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import { setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import { Debounce } from './debounce.ts'
import { fingerprintOf, foldersOf } from './fingerprint.ts'
import { FolderWatchers, type WatchFolder, watchFolder } from './folder-watchers.ts'

/** A file is written in several steps: what changes again within this time is one change. */
const SETTLE_MS = 50
/** A file that is written without a pause is read all the same. */
const MAX_DELAY_MS = 1000
/** How soon the files are looked at after something happened beside them. Not put off by what happens next. */
const LOOK_MS = 100
/**
 * Network mounts, replaced folders and folders without a watcher report nothing: check from time to
 * time.
 */
const POLL_MS = 2000
/** With each of so many polls the files may have changed, whatever the file system says. */
const POLLS_PER_READ = 15

export interface FileWatcherParts {
  /** Called when the files may have changed; they may also not have. Must not throw. */
  readonly onChange: () => void
  /** Told once, of the first folder that cannot be watched: what is wrong, and the cure. */
  readonly onUnavailable: (message: string) => void
  /** Default: by `node:fs`. */
  readonly watchFolder?: WatchFolder
  /** Default: timers that do not keep the process alive. */
  readonly setTimer?: SetTimer
}

const CURES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'raise fs.inotify.max_user_watches'],
  ['EMFILE', 'raise fs.inotify.max_user_instances, or the limit of open files'],
])

/**
 * Watches files, and looks at them every two seconds beside that: where nothing can be watched, changes are found later,
 * and nothing fails. Folders are watched rather than files, since a file that is replaced by renaming takes its watcher
 * with it; what happens to other files there neither counts nor delays anything. Files may be links, and be gone for a while.
 */
export class FileWatcher {
  readonly #files: readonly string[]
  readonly #parts: FileWatcherParts
  readonly #setTimer: SetTimer
  readonly #folders: FolderWatchers
  readonly #change: Debounce
  #fingerprint: string | null = null
  #cancelLook: (() => void) | undefined
  #cancelPoll: (() => void) | undefined
  #polls = 0
  #look: Promise<void> | undefined
  #hasTold = false
  #isClosed = false

  constructor(files: readonly string[], parts: FileWatcherParts) {
    this.#files = files.map((file) => resolve(file))
    this.#parts = parts
    this.#setTimer = parts.setTimer ?? setUnreferencedTimer
    const delays = { settleMs: SETTLE_MS, maxDelayMs: MAX_DELAY_MS, setTimer: this.#setTimer }
    this.#change = new Debounce(() => this.#settled(), delays)
    this.#folders = new FolderWatchers({
      watchFolder: parts.watchFolder ?? watchFolder,
      onEvent: (folder, name) => this.#onEvent(folder, name),
      onUnavailable: (folder, code) => this.#tell(folder, code),
    })
    void this.look()
    this.#schedulePoll()
  }

  /**
   * Looks at the files, and at the folders that have to be watched. One look at a time: a file system that hangs is not
   * asked again.
   */
  look(): Promise<void> {
    this.#look ??= this.#lookOnce().finally(() => {
      this.#look = undefined
    })
    return this.#look
  }

  close(): void {
    this.#isClosed = true
    this.#change.cancel()
    this.#cancelLook?.()
    this.#cancelPoll?.()
    this.#folders.close()
  }

  #onEvent(folder: string, name: string | null): void {
    if (this.#isClosed) return
    const isOwn = this.#files.some((file) => dirname(file) === folder && basename(file) === name)
    if (isOwn || name === null) this.#change.call()
    // It may be what one of the files links to.
    else this.#cancelLook ??= this.#setTimer(() => this.#lookSoon(), LOOK_MS)
  }

  /** What is read now is not found once more by the next look. */
  #settled(): void {
    void fingerprintOf(this.#files).then((fingerprint) => (this.#fingerprint = fingerprint))
    this.#parts.onChange()
  }

  #lookSoon(): void {
    this.#cancelLook = undefined
    void this.look()
  }

  async #lookOnce(): Promise<void> {
    await this.#folders.update(await foldersOf(this.#files))
    const fingerprint = await fingerprintOf(this.#files)
    if (this.#isClosed || fingerprint === this.#fingerprint) return
    // The first time as well: they may have changed since they were read.
    this.#fingerprint = fingerprint
    this.#change.call()
  }

  #schedulePoll(): void {
    this.#cancelPoll = this.#setTimer(() => {
      this.#polls++
      if (this.#polls % POLLS_PER_READ === 0) this.#parts.onChange()
      void this.look()
      this.#schedulePoll()
    }, POLL_MS)
  }

  #tell(folder: string, code: string): void {
    if (this.#hasTold) return
    this.#hasTold = true
    const cure = CURES.get(code)
    const message = `cannot watch ${folder} (${code}): its files are looked at every ${POLL_MS / 1000} s`
    this.#parts.onUnavailable(cure === undefined ? message : `${message}; ${cure}`)
  }
}
