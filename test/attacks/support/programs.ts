import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { test } from '@jest/globals'

/** `test`, or a skipped one, which says why, when a program does not run here. */
export const testWith = (program: string, ...probe: string[]): typeof test => {
  const { status } = spawnSync(program, probe)
  if (status === 0) return test
  process.stderr.write(`skipped: '${[program, ...probe].join(' ')}' does not run here\n`)
  return test.skip as typeof test
}

/** A program that is talked to, and does not outlive the test. */
export class Dialogue implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #changes = new EventEmitter()
  readonly #ended: Promise<unknown>
  #isOver = false
  #heard = ''

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args)
    this.#ended = once(this.#child, 'close')
    this.#child.once('close', () => {
      this.#isOver = true
      this.#changes.emit('change')
    })
    const listen = (chunk: unknown): void => {
      this.#heard += String(chunk)
      this.#changes.emit('change')
    }
    this.#child.stdout.on('data', listen)
    this.#child.stderr.on('data', listen)
    this.#child.stdin.on('error', () => undefined)
  }

  say(words: string): void {
    this.#child.stdin.write(words)
  }

  /** Waits for words that were not heard yet; rejects when the program ends without them. */
  async hear(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#heard)) {
      if (this.#isOver) throw new Error(`ended without ${pattern.source}: ${this.#heard}`)
      await once(this.#changes, 'change')
    }
    const heard = this.#heard
    this.#heard = ''
    return heard
  }

  /** Waits for its end, and returns what it has said since. */
  async end(): Promise<string> {
    await this.#ended
    return this.#heard
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }
}
