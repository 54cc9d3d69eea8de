import { isAbsolute, join, resolve } from 'node:path'
import type { WatchedFile } from '../access/read-safely.ts'
import { reader } from './reader.ts'

/** Longer than any path that a system takes. */
const MAX_PATH = 4096
const PRINTABLE = /^[\x20-\x7e]{1,300}$/

/** Whether a value can be a path. What has lines is the content of a file in the place of its path. */
export function isPath(value: unknown): value is string {
  return typeof value === 'string' && /^[^\0\n\r]+$/.test(value) && value.length <= MAX_PATH
}

export const PATH_RULE = 'must be the path of a file, and not its content'

/** @throws {@link FileSourceError} `invalid-option` */
export function readPath(key: string, value: string | undefined): string {
  return reader.read(key, value, undefined, isPath, PATH_RULE)
}

/** Finds the files that options name. */
export class Paths {
  readonly #directory: string | undefined

  /** @throws {@link FileSourceError} `invalid-option` */
  constructor(directory: string | undefined) {
    this.#directory = directory === undefined ? undefined : readPath('directory', directory)
  }

  /** The absolute path that a name means. */
  resolve(path: string): string {
    return this.#directory === undefined ? resolve(path) : resolve(this.#directory, path)
  }

  /** @param what the file is, such as `the key` */
  file(what: string, path: string, isKey: boolean = false): WatchedFile {
    return { path: this.resolve(path), name: this.#name(what, path), isKey }
  }

  /** With its path, if that certainly is one: what cannot be opened may be a key or a token in the wrong place. */
  #name(what: string, path: string): string {
    const shown = this.#directory === undefined ? path : join(this.#directory, path)
    const isCertain = this.#directory !== undefined || isAbsolute(path) || /^\.\.?\//.test(path)
    return isCertain && PRINTABLE.test(shown) ? `${what} ${shown}` : what
  }
}
