import { watch } from 'node:fs'
import { codeOf, identityOf } from './fingerprint.ts'

/** What is reported of a watched folder. */
export interface FolderListener {
  /** Something happened to an entry of the folder; `null`: it is not known to which. */
  readonly onEvent: (name: string | null) => void
  /** Nothing more is reported. */
  readonly onError: (error: Error) => void
}

/** Watches a folder. Returns the function that ends it. Throws where the system has no watch free. */
export type WatchFolder = (folder: string, listener: FolderListener) => () => void

export interface FolderWatchersParts {
  readonly watchFolder: WatchFolder
  readonly onEvent: (folder: string, name: string | null) => void
  /** Told of a folder that is not watched, although it is there. */
  readonly onUnavailable: (folder: string, code: string) => void
}

interface FolderWatcher {
  readonly identity: string
  readonly close: () => void
}

/** Watches by `node:fs`. */
export const watchFolder: WatchFolder = (folder, { onEvent, onError }) => {
  const watcher = watch(folder, { persistent: false }, (_, name) => onEvent(name))
  watcher.on('error', onError)
  return () => watcher.close()
}

/**
 * The watchers of some folders. A watcher follows the folder that it was opened for, not the name: it is replaced when
 * another folder has the name. One that cannot be opened, or fails, is tried again with each {@link update}.
 */
export class FolderWatchers {
  readonly #parts: FolderWatchersParts
  readonly #watchers = new Map<string, FolderWatcher>()
  #isClosed = false

  constructor(parts: FolderWatchersParts) {
    this.#parts = parts
  }

  /** Watches these folders, as they are now, and no others. */
  async update(folders: ReadonlySet<string>): Promise<void> {
    for (const folder of this.#watchers.keys()) if (!folders.has(folder)) this.#drop(folder)
    for (const folder of folders) {
      const identity = await identityOf(folder)
      if (this.#isClosed) return
      if (identity === this.#watchers.get(folder)?.identity) continue
      this.#drop(folder)
      if (identity !== null) this.#open(folder, identity)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const folder of this.#watchers.keys()) this.#drop(folder)
  }

  #open(folder: string, identity: string): void {
    const { watchFolder: open, onEvent } = this.#parts
    try {
      const close = open(folder, {
        onEvent: (name) => onEvent(folder, name),
        onError: (error) => this.#fail(folder, identity, error),
      })
      this.#watchers.set(folder, { identity, close })
    } catch (error) {
      this.#fail(folder, identity, error)
    }
  }

  #fail(folder: string, identity: string, error: unknown): void {
    if (this.#watchers.get(folder)?.identity === identity) this.#drop(folder)
    // Who watches it finds out by reading that it is gone.
    const code = codeOf(error)
    if (!this.#isClosed && code !== 'ENOENT') this.#parts.onUnavailable(folder, code)
  }

  #drop(folder: string): void {
    this.#watchers.get(folder)?.close()
    this.#watchers.delete(folder)
  }
}
