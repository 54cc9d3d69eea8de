import { fork } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { SHORT_LIVED } from './process.ts'
import type { RunnerMessage, RunnerWorld } from './readme-runner.ts'

const RUNNER = fileURLToPath(new URL('readme-runner.js', import.meta.url))

/** For how long a process may say nothing before it is ended. */
const SILENCE_MS = 45_000

/** A process that runs programs of documents, one after the other, and keeps open what they opened. */
export interface ExampleProcess {
  /** Resolves with what the program threw, or `null` when it came to its end. */
  outcome(file: string): Promise<string | null>
  /** Resolves with the ports of the servers that the program opened, in order, when it came to its end. */
  ports(file: string): Promise<readonly number[]>
  /** Ends the process, and resolves with all that it wrote to its standard error. */
  end(): Promise<string>
}

/** Runs programs on a Workload API endpoint, with a service that they may call. */
export function runExamples(files: readonly string[], world: RunnerWorld): ExampleProcess {
  const child = fork(RUNNER, [JSON.stringify(world), ...files], {
    env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${world.endpointPath}` },
    // Said where V8 needs its flag; see `v8CrashGuard` of @fastify-spiffe/engine-cedar.
    execArgv: ['--enable-source-maps', '--disable-warning=SPIFFE_AUTHZ_V8_FLAG', ...SHORT_LIVED],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const errors = text(child.stderr!)
  const exit = once(child, 'exit')
  const programs = new Map(files.map((file) => [file, newProgram()]))
  // A program that never finishes fails its test, and does not outlive it.
  const silence = setTimeout(() => child.kill('SIGKILL'), SILENCE_MS)
  child.on('message', (message: RunnerMessage) => {
    silence.refresh()
    const program = programs.get(message.file)!
    if (message.event === 'listening') program.ports.push(message.port)
    else program.finish(message.error ?? null)
  })
  child.once('exit', () => {
    clearTimeout(silence)
    for (const program of programs.values()) program.finish('the process ended before its end')
  })
  return {
    outcome: (file) => programs.get(file)!.outcome,
    ports: async (file) => {
      const { outcome, ports } = programs.get(file)!
      await outcome
      return ports
    },
    end: async () => {
      if (child.connected) child.disconnect()
      await exit
      return errors
    },
  }
}

function newProgram() {
  let finish!: (error: string | null) => void
  const outcome = new Promise<string | null>((resolve) => (finish = resolve))
  return { ports: [] as number[], outcome, finish }
}
