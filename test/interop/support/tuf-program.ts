import type { Command } from './build.ts'
import { LineProgram } from './line-program.ts'

/** A repository that another implementation makes, and its client. */
export class TufProgram implements AsyncDisposable {
  readonly #program: LineProgram

  constructor(command: Command, env: NodeJS.ProcessEnv = {}) {
    this.#program = new LineProgram(command, env)
  }

  /** Makes the repository: a root of three keys of different kinds, two of which sign, and the delegated role `partners`. */
  async init(folder: string): Promise<void> {
    await this.#ask('init', folder)
  }

  /** Publishes a file, below `partners/` by the delegated role. */
  async target(path: string, file: string): Promise<void> {
    await this.#ask('target', path, file)
  }

  /** Replaces all keys of a role by a new root. */
  async rotate(role: string): Promise<void> {
    await this.#ask('rotate', role)
  }

  /** Fetches a target with the client of this implementation, and resolves with its SHA-256. */
  fetch(url: string, rootFile: string, folder: string, path: string): Promise<string> {
    return this.#ask('fetch', url, rootFile, folder, path)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]()
  }

  async #ask(...words: readonly string[]): Promise<string> {
    const answer = await this.#program.ask(words.join('\t'))
    if (answer.startsWith('error ')) throw new Error(answer)
    return answer
  }
}
