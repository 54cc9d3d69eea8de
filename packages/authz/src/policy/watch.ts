import { watch } from 'node:fs'
import { dirname } from 'node:path'

/** A file is written in several steps: what changes again within this time is one change. */
const SETTLE_MS = 50
/** Network mounts and replaced folders tell nothing: look from time to time. */
const POLL_MS = 30_000

/**
 * Calls `changed` when a file may have changed; it may also not have. Watches the folder, since a file that is replaced
 * by renaming takes its watcher with it. Returns the function that ends it.
 */
export function watchFile(file: string, changed: () => void): () => void {
  let settling: NodeJS.Timeout | undefined
  const settle = (): void => {
    clearTimeout(settling)
    settling = setTimeout(changed, SETTLE_MS).unref()
  }
  const watcher = watch(dirname(file), { persistent: false }, settle)
  // The folder is gone: polling goes on.
  watcher.on('error', () => watcher.close())
  const polling = setInterval(changed, POLL_MS).unref()
  return () => {
    clearTimeout(settling)
    clearInterval(polling)
    watcher.close()
  }
}
