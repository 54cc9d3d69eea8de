import type { ClientRole, PeerAnswer, ServerRole, TokenAnswer, TokenRole } from '../peer.ts'
import type { Command } from './build.ts'
import { LineProgram } from './line-program.ts'

export interface SdkOptions {
  /** What the program needs besides the environment of this process. */
  readonly env?: NodeJS.ProcessEnv
  /** Whether the client knows `keep`. Default: no. */
  readonly keepsConnections?: boolean
  /** As of its {@link TokenRole}. Default: no. */
  readonly needsTcp?: boolean
}

/** The roles of a program which is written on an SDK, and talks as `test/interop/README.md` says. */
export function sdkRoles(
  command: Command,
  { env = {}, keepsConnections = false, needsTcp = false }: SdkOptions = {},
): {
  readonly client: ClientRole
  readonly server: ServerRole
  readonly tokens: TokenRole
} {
  return {
    client: clientRole(command, env, keepsConnections),
    server: serverRole(command, env),
    tokens: tokenRole(command, env, needsTcp),
  }
}

function clientRole(
  command: Command,
  env: NodeJS.ProcessEnv,
  keepsConnections: boolean,
): ClientRole {
  return {
    knows: 'SPIFFE ID',
    keepsConnections,
    start: async ({ workload, port, server }) => {
      const program = new LineProgram([...command, 'client', `127.0.0.1:${port}`, server], {
        ...env,
        SPIFFE_ENDPOINT_SOCKET: workload.address,
      })
      await expectLine(program, /^ready$/)
      return {
        get: async () => answerOf(await program.ask('get')),
        getKept: async () => answerOf(await program.ask('keep')),
        [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
      }
    },
  }
}

function serverRole(command: Command, env: NodeJS.ProcessEnv): ServerRole {
  return {
    knows: 'SPIFFE ID',
    tellsCaller: true,
    start: async ({ workload, callers }) => {
      const program = new LineProgram([...command, 'server', ...callers], {
        ...env,
        SPIFFE_ENDPOINT_SOCKET: workload.address,
      })
      const [, port] = await expectLine(program, /^listening (\d+)$/)
      return { port: Number(port), [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
    },
  }
}

function tokenRole(command: Command, env: NodeJS.ProcessEnv, needsTcp: boolean): TokenRole {
  return {
    needsTcp,
    start: (address = '') => {
      const all = { ...env, SPIFFE_ENDPOINT_SOCKET: address }
      const program = new LineProgram([...command, 'tokens'], all)
      return {
        ask: async (question) => asAnswer(await program.ask(JSON.stringify(question))),
        [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
      }
    },
  }
}

function asAnswer(line: string): TokenAnswer {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the programs write it
  return JSON.parse(line) as TokenAnswer
}

async function expectLine(program: LineProgram, pattern: RegExp): Promise<RegExpExecArray> {
  try {
    const line = await program.next()
    const match = pattern.exec(line)
    if (match === null) throw new Error(`not ${pattern.source}: ${line}`)
    return match
  } catch (error) {
    await program[Symbol.asyncDispose]()
    throw error
  }
}

function answerOf(line: string): PeerAnswer {
  const [, server, body] = /^ok (\S+) (.*)$/.exec(line) ?? []
  if (server === undefined || body === undefined) throw new Error(line)
  return { server, body }
}
