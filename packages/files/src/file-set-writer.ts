import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, mkdir, open, readdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from './fingerprint.ts'

const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } = constants

/** The link whose target is the current generation. Kubernetes names it so, and readers of its volumes follow it. */
const DATA = '..data'
const GENERATION = /^\.\.\d{13}-\d+-[0-9a-f]{12}$/
/** A write takes less; so what is older and not current is of a writer that was killed. */
const ABANDONED_MS = 10_000

/** The files of one moment, by name. */
export type FileContents = ReadonlyMap<string, string | Uint8Array>

/**
 * Replaces several files of a folder at one moment: killed at any time, it leaves either all of the old files or all of the
 * new ones. As in a volume of Kubernetes, each name is a link to `..data/NAME`, and `..data` a link to the folder of the
 * current generation, which is replaced by one rename.
 *
 * Files have mode 0600. Several writers of one folder do not disturb each other: the last one counts.
 */
export class FileSetWriter {
  readonly #folder: string
  #current: string | undefined

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Makes the folder, with mode 0700, if it is not there. */
  static async open(folder: string): Promise<FileSetWriter> {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    return new FileSetWriter(folder)
  }

  /**
   * @param files by names without folders
   * @throws an `Error` for a name that belongs to something else than an earlier write; or what the file system throws
   */
  async write(files: FileContents): Promise<void> {
    for (const name of files.keys()) await this.#assertFree(name)
    const generation = `..${Date.now()}-${process.pid}-${randomBytes(6).toString('hex')}`
    try {
      await this.#writeGeneration(generation, files)
      // They lead nowhere the first time, until all of them do at once.
      for (const name of files.keys()) await this.#link(name)
      await this.#publish(generation)
    } catch (error) {
      await this.#remove(generation)
      throw error
    }
    const before = this.#current
    this.#current = generation
    if (before !== undefined) await this.#remove(before)
    await this.#sweep()
  }

  /** A name is free, or ours. What somebody else put there is not replaced: it could be of any use to anybody. */
  async #assertFree(name: string): Promise<void> {
    const path = join(this.#folder, name)
    const target = await readlink(path).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return join(DATA, name)
      return undefined
    })
    if (target === join(DATA, name)) return
    throw new Error(`${path} is not of an earlier write: remove it, or name another folder`)
  }

  async #writeGeneration(generation: string, files: FileContents): Promise<void> {
    const folder = join(this.#folder, generation)
    await mkdir(folder, { mode: 0o700 })
    for (const [name, content] of files) {
      const file = await open(join(folder, name), O_WRONLY | O_CREAT | O_EXCL, 0o600)
      try {
        await file.writeFile(content)
        await file.sync()
      } finally {
        await file.close()
      }
    }
    await sync(folder)
  }

  async #link(name: string): Promise<void> {
    await symlink(join(DATA, name), join(this.#folder, name)).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
  }

  async #publish(generation: string): Promise<void> {
    const next = join(this.#folder, `${generation}.link`)
    await symlink(generation, next)
    try {
      await rename(next, join(this.#folder, DATA))
    } catch (error) {
      await rm(next, { force: true })
      throw error
    }
    await sync(this.#folder)
  }

  /** Removes what writers have left that were killed, with the keys in it. */
  async #sweep(): Promise<void> {
    const current = await readlink(join(this.#folder, DATA)).catch(() => '')
    for (const name of await readdir(this.#folder)) {
      const generation = name.replace(/\.link$/, '')
      if (!GENERATION.test(generation) || generation === current) continue
      if (await this.#isAbandoned(name)) await this.#remove(name)
    }
  }

  async #isAbandoned(name: string): Promise<boolean> {
    const found = await lstat(join(this.#folder, name)).catch(() => undefined)
    return found !== undefined && Date.now() - found.mtimeMs > ABANDONED_MS
  }

  async #remove(name: string): Promise<void> {
    await rm(join(this.#folder, name), { recursive: true, force: true })
  }
}

/** Makes what happened to a folder last. */
async function sync(folder: string): Promise<void> {
  // Windows cannot open folders.
  if (process.platform === 'win32') return
  const handle = await open(folder, O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
