import { constants } from 'node:fs'
import { mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { types } from 'node:util'
import { SpiffeError } from '@fastify-spiffe/spiffe'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { FederationError } from '../errors.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants
/** Windows has neither of these; there, who may read a folder is not in its mode. */
const NO_FOLLOW = O_NOFOLLOW ?? 0
const HAS_MODES = process.platform !== 'win32'

/** A folder that only this user can read and write. */
export class PrivateDirectory {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /**
   * Makes the folder if it is not there.
   * @throws {@link FederationError} `unsafe-directory`
   */
  static async open(path: string): Promise<PrivateDirectory> {
    let real: string
    try {
      await mkdir(path, { recursive: true, mode: 0o700 })
      real = await realpath(path)
      await assertPrivate(real)
    } catch (cause) {
      if (cause instanceof FederationError) throw cause
      const message = `the directory cannot be used: ${describeCause(cause)}`
      throw new FederationError('unsafe-directory', message, { cause })
    }
    return new PrivateDirectory(real)
  }

  /** Where it is, without symbolic links. */
  get path(): string {
    return this.#path
  }

  /** Reads a file of at most `maxBytes`; `null` if it is not there. Symbolic links are not followed. */
  async read(name: string, maxBytes: number): Promise<Buffer | null> {
    let file
    try {
      file = await open(join(this.#path, name), O_RDONLY | NO_FOLLOW)
    } catch (cause) {
      if (isAbsent(cause)) return null
      throw cause
    }
    try {
      const found = await file.stat()
      if (!found.isFile()) throw new SpiffeError('invalid-bundle', 'it is not a regular file')
      if (found.size > maxBytes) throw new SpiffeError('invalid-bundle', 'it is too large')
      return await file.readFile()
    } finally {
      await file.close()
    }
  }

  /**
   * Puts a file in the place of the one of that name, which others see whole or not at all. A symbolic link of that name is
   * replaced; what it leads to stays as it is.
   */
  async write(name: string, content: string | Uint8Array): Promise<void> {
    const temporary = join(this.#path, `.${randomUUID()}.tmp`)
    try {
      const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | NO_FOLLOW, 0o600)
      try {
        await file.writeFile(content)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(temporary, join(this.#path, name))
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    await this.#sync()
  }

  /** Removes a file, if it is there. */
  async remove(name: string): Promise<void> {
    await rm(join(this.#path, name), { force: true })
    await this.#sync()
  }

  /** Makes a rename or a removal last. */
  async #sync(): Promise<void> {
    if (!HAS_MODES) return
    const folder = await open(this.#path, O_RDONLY)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}

async function assertPrivate(path: string): Promise<void> {
  const found = await stat(path)
  if (!found.isDirectory()) throw new FederationError('unsafe-directory', 'it is not a directory')
  if (!HAS_MODES) return
  // What is in it decides who is trusted.
  if ((found.mode & 0o077) !== 0 || found.uid !== process.geteuid?.()) {
    const message =
      'the directory must belong to this user, with mode 0700: name one in it that is not there yet'
    throw new FederationError('unsafe-directory', message)
  }
}

function isAbsent(cause: unknown): boolean {
  return types.isNativeError(cause) && Reflect.get(cause, 'code') === 'ENOENT'
}
