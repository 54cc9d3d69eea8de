import { createHash } from 'node:crypto'
import { FileSourceError, toFileSourceError } from '../errors.ts'
import { readSafely, type ReadRules, type WatchedFile } from '../access/read-safely.ts'

/** What was read of one file, or why it was not. */
type Content = Buffer | FileSourceError

/** What was read of all files at one time. */
export class Contents {
  readonly #byPath: ReadonlyMap<string, Content>

  private constructor(byPath: ReadonlyMap<string, Content>) {
    this.#byPath = byPath
  }

  /** Contents from elsewhere, by paths. */
  static of(byPath: ReadonlyMap<string, Buffer>): Contents {
    return new Contents(byPath)
  }

  /** Reads all files, one after the other. */
  static async read(files: readonly WatchedFile[], rules: ReadRules): Promise<Contents> {
    const byPath = new Map<string, Content>()
    const folders = new Map<string, string>()
    for (const file of files) {
      byPath.set(file.path, await readSafely(file, rules, folders).catch(toFileSourceError))
    }
    return new Contents(byPath)
  }

  /** @throws {@link FileSourceError} why the file was not read */
  get({ path, name }: WatchedFile): Buffer {
    const content = this.#byPath.get(path)
    if (Buffer.isBuffer(content)) return content
    throw content ?? new FileSourceError('internal', `${name} is none of the files that were read`)
  }

  /** The same for the same contents. It tells nothing of them. */
  get digest(): string {
    const hash = createHash('sha256')
    for (const [path, content] of this.#byPath) {
      const part = Buffer.isBuffer(content) ? content : `${content.code} ${content.message}`
      hash.update(JSON.stringify([path, typeof part, part.length])).update(part)
    }
    return hash.digest('hex')
  }

  /** Overwrites what was read: it must not wait for the garbage collector, as there are keys in it. */
  erase(): void {
    for (const content of this.#byPath.values()) if (Buffer.isBuffer(content)) content.fill(0)
  }
}
