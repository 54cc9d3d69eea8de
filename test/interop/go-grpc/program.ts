import { join } from 'node:path'
import type { Workload } from '../../spire/fixture/index.ts'
import { build, type Command, pinned } from '../support/build.ts'
import { LineProgram } from '../support/line-program.ts'

const NAME = 'go-grpc'

/** The program, with grpc-go of a version and the credentials of go-spiffe. */
export interface GoProgram {
  readonly version: string
  readonly command: Command
}

/** Builds the program, or finds it in the user's cache. */
export async function goGrpc(): Promise<GoProgram> {
  const folder = await build({
    name: NAME,
    version: ['go', 'env', 'GOVERSION'],
    fetch: () => ['go', 'list', '-deps', '.'],
    compile: (output) => ['go', 'build', '-trimpath', '-buildvcs=false', '-o', join(output, NAME)],
  })
  const version = await pinned(NAME, 'go.mod', /google\.golang\.org\/grpc v(\S+)/)
  return { version, command: [join(folder, NAME)] }
}

/** A client of grpc-go: one connection, and one stream on it. */
export class GoClient implements AsyncDisposable {
  readonly #program: LineProgram

  private constructor(program: LineProgram) {
    this.#program = program
  }

  static async start(
    command: Command,
    workload: Workload,
    port: number,
    server: string,
  ): Promise<GoClient> {
    const program = new LineProgram([...command, 'client', `127.0.0.1:${port}`, server], {
      SPIFFE_ENDPOINT_SOCKET: workload.address,
    })
    if ((await program.next()) !== 'ready') throw new Error('the client is not ready')
    return new GoClient(program)
  }

  /** The answer to a word; rejects with what Go says of a failure. */
  say(word: string): Promise<string> {
    return this.#ask(`say ${word}`)
  }

  async openStream(): Promise<void> {
    await this.#ask('open')
  }

  /** The answer to a word on the stream. */
  echo(word: string): Promise<string> {
    return this.#ask(`echo ${word}`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]()
  }

  async #ask(line: string): Promise<string> {
    const answer = await this.#program.ask(line)
    if (answer.startsWith('ok ')) return answer.slice('ok '.length)
    throw new Error(answer)
  }
}

/** A server of grpc-go, that lets some callers in. */
export class GoServer implements AsyncDisposable {
  readonly port: number
  readonly #program: LineProgram

  private constructor(program: LineProgram, port: number) {
    this.#program = program
    this.port = port
  }

  static async start(
    command: Command,
    workload: Workload,
    callers: readonly string[],
  ): Promise<GoServer> {
    const program = new LineProgram([...command, 'server', ...callers], {
      SPIFFE_ENDPOINT_SOCKET: workload.address,
    })
    const [, port] = /^listening (\d+)$/.exec(await program.next()) ?? []
    return new GoServer(program, Number(port))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]()
  }
}
