import { join } from 'node:path'
import { build, type Command, pinned } from '../support/build.ts'
import { LineProgram } from '../support/line-program.ts'

const NAME = 'go-federation'

/** The program, with the package federation of go-spiffe. */
export interface GoFederation {
  readonly version: string
  readonly command: Command
}

/** Builds the program, or finds it in the user's cache. */
export async function goFederation(): Promise<GoFederation> {
  const folder = await build({
    name: NAME,
    version: ['go', 'env', 'GOVERSION'],
    fetch: () => ['go', 'list', '-deps', '.'],
    compile: (output) => ['go', 'build', '-trimpath', '-buildvcs=false', '-o', join(output, NAME)],
  })
  const version = await pinned(NAME, 'go.mod', /go-spiffe\/v2 v(\S+)/)
  return { version, command: [join(folder, NAME)] }
}

/** How the server of an endpoint is verified. */
export type WatchAuth =
  | readonly ['spiffe', endpointSpiffeId: string, firstBundleFile: string]
  | readonly ['web', caFile: string]

/** What `federation.WatchBundle` found. */
export interface WatchedBundle {
  readonly sequence: bigint
  readonly refreshHint: number
  readonly x509: number
  readonly jwt: number
}

/** `federation.WatchBundle` on an endpoint, ten times a second. */
export class GoWatcher implements AsyncDisposable {
  readonly #program: LineProgram

  constructor([file, ...args]: Command, trustDomain: string, url: string, auth: WatchAuth) {
    this.#program = new LineProgram([file, ...args, 'watch', trustDomain, url, ...auth], {})
  }

  /** The next bundle that is not the one before; rejects with what Go says of a failure. */
  async next(): Promise<WatchedBundle> {
    const line = await this.#program.next()
    const [word, sequence = '', ...counts] = line.split(' ')
    if (word !== 'update') throw new Error(line)
    const [refreshHint = NaN, x509 = NaN, jwt = NaN] = counts.map(Number)
    return { sequence: BigInt(sequence), refreshHint, x509, jwt }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]()
  }
}

/** What the server of an endpoint presents. */
export type ServeAuth =
  | readonly ['spiffe']
  | readonly ['web', certificateFile: string, keyFile: string]

/** `federation.NewHandler` of go-spiffe on a bundle in a file. */
export class GoEndpoint implements AsyncDisposable {
  readonly port: number
  readonly #program: LineProgram

  private constructor(program: LineProgram, port: number) {
    this.#program = program
    this.port = port
  }

  /** @param address of the Workload API, for `spiffe` */
  static async start(
    [file, ...args]: Command,
    trustDomain: string,
    bundleFile: string,
    auth: ServeAuth,
    address = '',
  ): Promise<GoEndpoint> {
    const command = [file, ...args, 'serve', trustDomain, bundleFile, ...auth] as const
    const program = new LineProgram(command, { SPIFFE_ENDPOINT_SOCKET: address })
    const [, port] = /^listening (\d+)$/.exec(await program.next()) ?? []
    return new GoEndpoint(program, Number(port))
  }

  /** Serves what the file holds now. */
  async reload(): Promise<void> {
    await this.#program.ask('reload')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#program[Symbol.asyncDispose]()
  }
}
