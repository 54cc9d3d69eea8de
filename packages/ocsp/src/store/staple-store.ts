import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { MAX_RESPONSE_BYTES } from '../verify/verify-ocsp-response.ts'

/** How old a file is that a crash has left half-written, in ms. */
const ABANDONED_MS = 600_000
const TEMPORARY = /^[0-9a-f]{64}\.ocsp\.[0-9a-f-]{36}$/

/**
 * Keeps responses over restarts, one file for each certificate. They are public and signed: who can write to the folder can
 * take answers away, or put back older ones that are still valid, and nothing else. What is read has to be verified anew.
 */
export class StapleStore {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  /** Makes the folder if there is none, for this user alone, and removes what crashes have left. */
  static async open(directory: string): Promise<StapleStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await removeAbandoned(directory)
    return new StapleStore(directory)
  }

  /** Returns the response that was stored last about a certificate; `null` if there is none. */
  async read(fingerprint: string): Promise<Buffer | null> {
    const file = await openExisting(this.#pathOf(fingerprint))
    if (file === null) return null
    try {
      const stats = await file.stat()
      const isResponse = stats.isFile() && stats.size <= MAX_RESPONSE_BYTES
      return isResponse ? await file.readFile() : null
    } finally {
      await file.close()
    }
  }

  /** Stores a response in one step, so that a crash leaves the former one or this one. */
  async write(fingerprint: string, response: Uint8Array): Promise<void> {
    const path = this.#pathOf(fingerprint)
    const temporary = `${path}.${randomUUID()}`
    try {
      await writeNew(temporary, response)
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw error
    }
  }

  /** Forgets a certificate. */
  async remove(fingerprint: string): Promise<void> {
    await rm(this.#pathOf(fingerprint), { force: true })
  }

  #pathOf(fingerprint: string): string {
    return join(this.#directory, `${fingerprint}.ocsp`)
  }
}

async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!TEMPORARY.test(name)) continue
    const path = join(directory, name)
    const found = await stat(path).catch(() => undefined)
    if (found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS)
      await rm(path, { force: true })
  }
}

async function openExisting(path: string): Promise<FileHandle | null> {
  try {
    // Not blocking: somebody may have put a named pipe there.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

async function writeNew(path: string, content: Uint8Array): Promise<void> {
  // `wx` follows no link that somebody has put there.
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}
