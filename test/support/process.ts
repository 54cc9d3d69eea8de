import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'

/** For a process that ends soon: Node 20 optimizes functions earlier than that pays; see `test/runner`. */
export const SHORT_LIVED: readonly string[] = process.versions.node.startsWith('20.')
  ? ['--interrupt-budget=1000000']
  : []

/** How a process ended, and all that it wrote. */
export interface Ending {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

/** A Node program in a process of its own, which does not outlive the test. */
export class NodeProcess implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #ended: Promise<Ending>
  #out = ''

  constructor(file: string, env: NodeJS.ProcessEnv = {}, args: readonly string[] = []) {
    const flags = ['--enable-source-maps', ...SHORT_LIVED]
    this.#child = spawn(process.execPath, [...flags, file, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { stdout, stderr } = this.#child
    stdout.setEncoding('utf8').on('data', (chunk) => (this.#out += String(chunk)))
    this.#ended = Promise.all([once(this.#child, 'close'), text(stderr)]).then(
      ([[code], error]) => ({ code, out: this.#out, error }),
    )
  }

  /** Resolves once its output matches; rejects when it ends before. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    const { stdout } = this.#child
    for (;;) {
      const match = pattern.exec(this.#out)
      if (match !== null) return match
      if (stdout.readableEnded) break
      await Promise.race([once(stdout, 'data'), once(stdout, 'end')])
    }
    throw new Error(`ended without ${pattern.source}: ${(await this.#ended).error}`)
  }

  /** Waits until it ends by itself. */
  end(): Promise<Ending> {
    return this.#ended
  }

  /** Asks it to end. */
  async stop(): Promise<Ending> {
    this.#child.kill('SIGTERM')
    return this.#ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }
}
