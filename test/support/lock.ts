import { readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 500

/**
 * Runs `work` while no other process of this machine holds the lock file `path`.
 *
 * A file whose owner has ended is taken over. Two waiters may do so at the same moment: the lock saves
 * work that would be done twice, and nothing relies on it for more.
 */
export async function withLock<T>(
  path: string,
  say: (line: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  for (let waiting = false; !(await take(path));) {
    if (!waiting) say(`waiting for the process that holds ${path}`)
    waiting = true
    if (await isAbandoned(path)) await rm(path, { force: true })
    else await pause(POLL_MS)
  }
  try {
    return await work()
  } finally {
    await rm(path, { force: true })
  }
}

async function take(path: string): Promise<boolean> {
  try {
    await writeFile(path, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const owner = Number(await readFile(path, 'utf8').catch(() => ''))
  // Between its creation and its first byte the file names nobody: look again later.
  if (!Number.isSafeInteger(owner) || owner <= 0) return false
  try {
    process.kill(owner, 0)
    return false
  } catch (error) {
    return codeOf(error) === 'ESRCH'
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
