import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** What a child process can be asked to do, by name. */
type Skills = Readonly<Record<string, (...args: never[]) => unknown>>

type Answer<Result> = Promise<Awaited<Result>>

interface Reply {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

/** A program of this folder in a process of its own, whose {@link offer | skills} are called from here. */
export class Child<Offer extends Skills> implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #asked = 0

  /** @param program the name of the file beside this one, without its extension */
  constructor(program: string, execArgv: readonly string[] = []) {
    const file = fileURLToPath(new URL(`${program}.js`, import.meta.url))
    this.#process = fork(file, {
      execArgv: ['--enable-source-maps', ...execArgv],
      serialization: 'advanced',
    })
    this.#process.on('message', (reply: Reply) => this.#settle(reply))
    this.#process.once('exit', (code, signal) => {
      for (const waiting of this.#waiting.values()) {
        waiting.reject(new Error(`${program} ended with ${code ?? signal}`))
      }
    })
  }

  /** Calls a skill of the child, and resolves with its result. */
  async ask<Name extends keyof Offer & string>(
    name: Name,
    ...args: Parameters<Offer[Name]>
  ): Answer<ReturnType<Offer[Name]>> {
    const id = ++this.#asked
    const answered = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#process.send({ id, name, args })
    return (await answered) as Awaited<ReturnType<Offer[Name]>>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#waiting.clear()
    this.#process.kill('SIGKILL')
    await ended
  }

  #settle({ id, result, error }: Reply): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error === undefined) waiting?.resolve(result)
    else waiting?.reject(new Error(error))
  }
}

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

interface Question {
  readonly id: number
  readonly name: string
  readonly args: never[]
}

/** In the child: lets whoever started it call these functions. */
export function offer(skills: Skills): void {
  process.on('message', (question: Question) => void perform(skills, question))
  // It must not outlive whoever started it.
  process.once('disconnect', () => process.exit())
}

async function perform(skills: Skills, { id, name, args }: Question): Promise<void> {
  try {
    process.send?.({ id, result: await skills[name]?.(...args) })
  } catch (error) {
    process.send?.({ id, error: error instanceof Error ? error.stack : String(error) })
  }
}
