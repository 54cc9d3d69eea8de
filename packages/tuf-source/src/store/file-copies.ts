import { join } from 'node:path'
import { PrivateDirectory } from '@fastify-spiffe/federation/internal'
import { sha256 } from './state.ts'

/** File systems take names of 255 octets. */
const MAX_NAME = 200

/** Copies of targets under names that do not change, for what reads files. */
export class FileCopies {
  readonly #directory: PrivateDirectory

  private constructor(directory: PrivateDirectory) {
    this.#directory = directory
  }

  /** @throws what the file system throws */
  static async open(path: string): Promise<FileCopies> {
    return new FileCopies(await PrivateDirectory.open(join(path, 'files')))
  }

  /** Where the copy of a target is. */
  location(path: string): string {
    return join(this.#directory.path, nameOf(path))
  }

  /** Replaces the copy in one step, unless it is the same. */
  async write(path: string, bytes: Buffer): Promise<void> {
    const name = nameOf(path)
    const found = await this.#directory.read(name, bytes.length).catch(() => null)
    if (found?.equals(bytes) !== true) await this.#directory.write(name, bytes)
  }
}

function nameOf(path: string): string {
  const name = encodeURIComponent(path)
  return name.length <= MAX_NAME ? name : `~${sha256(path)}`
}
