import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

const KEPT_OUTPUT_CHARS = 4096

/** A program that answers a line on its stdin with a line on its stdout, and ends with its stdin. */
export class LineProgram implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #lines: NodeJS.AsyncIterator<string>
  readonly #ended: Promise<unknown>
  #complaints = ''

  constructor([file, ...args]: readonly [file: string, ...args: string[]], env: NodeJS.ProcessEnv) {
    this.#child = spawn(file, args, { env: { ...process.env, ...env }, stdio: 'pipe' })
    this.#ended = once(this.#child, 'close')
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
    this.#child.stdin.on('error', () => {})
    this.#child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.#complaints = (this.#complaints + chunk).slice(-KEPT_OUTPUT_CHARS)
    })
  }

  /** The next line of its stdout; rejects with what it wrote to stderr when there is none. */
  async next(): Promise<string> {
    const line = await this.#lines.next()
    if (line.done === true) throw new Error(`${this.#child.spawnfile} ended: ${this.#complaints}`)
    return line.value
  }

  /** Sends a line and gives the one that answers it. */
  async ask(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`)
    return await this.next()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end()
    this.#child.kill('SIGTERM')
    await this.#ended
  }
}
