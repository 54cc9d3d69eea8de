import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { delimiter, dirname } from 'node:path'
import type { Readable } from 'node:stream'
import { Failure } from '../suite/case.ts'
import { ControlPort } from './control-port.ts'
import { present, type ClientOptions, type Presentation } from './client.ts'
import { within } from './timing.ts'

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

const STOP_MS = 5000
const READY_MS = 10_000

/** The harness in a process group of its own, as the contract starts it, seen from outside only. */
export class Harness implements AsyncDisposable {
  readonly exited: Promise<Exit>
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  #stdout = ''
  #stderr = ''

  /** @param environment what the judge adds to it: parts and their settings */
  constructor(
    command: string,
    socketAddress: string,
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.#child = spawn(command, [], {
      // From any directory, and with nothing of the environment but what the contract gives.
      cwd: tmpdir(),
      env: {
        PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
        SPIFFE_ENDPOINT_SOCKET: socketAddress,
        ...environment,
      },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { stdout, stderr } = this.#child
    stdout.setEncoding('utf8').on('data', (chunk) => (this.#stdout += String(chunk)))
    stderr.setEncoding('utf8').on('data', (chunk) => (this.#stderr += String(chunk)))
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => resolve({ code, signal }))
    })
    this.#child.once('error', (error) => (this.#stderr += error.message))
  }

  get lines(): readonly string[] {
    return this.#stdout.split('\n').slice(0, -1)
  }

  get isReady(): boolean {
    return this.lines.includes('READY')
  }

  /** The end of what it wrote to stderr. */
  get log(): string {
    return this.#stderr.slice(-2000).trim()
  }

  /** @throws {@link Failure} when it ends before, or takes longer than `withinMs` */
  async ready(withinMs: number = READY_MS): Promise<void> {
    const { stdout } = this.#child
    const isReady = (async () => {
      while (!this.isReady) {
        if (stdout.readableEnded) return false
        await Promise.race([once(stdout, 'data'), once(stdout, 'end')])
      }
      return true
    })()
    const outcome = await within(isReady, withinMs, 'late')
    if (outcome === true) return
    throw new Failure(
      outcome === 'late' ? `not READY within ${withinMs} ms` : 'the harness ended without READY',
    )
  }

  /** Resolves when it ends, or after a time; it must not have become ready by then. */
  async staysUnready(timeMs: number): Promise<void> {
    await within(this.exited, timeMs, undefined)
    if (this.isReady) throw new Failure('the harness is READY, and must not be')
  }

  /** Presents a certificate at the X.509 port. */
  present(options: ClientOptions): Promise<Presentation> {
    return present(this.#port('SPIFFE_X509_PORT'), options)
  }

  get x509Port(): number {
    return this.#port('SPIFFE_X509_PORT')
  }

  /** Of the part `http`. */
  get httpPort(): number {
    return this.#port('SPIFFE_HTTP_PORT')
  }

  /** Of the part `grpc`. */
  get grpcPort(): number {
    return this.#port('SPIFFE_GRPC_PORT')
  }

  /** Of the part `bundle`. */
  get bundlePort(): number {
    return this.#port('SPIFFE_BUNDLE_PORT')
  }

  get control(): ControlPort {
    return new ControlPort(this.#port('SPIFFE_CONTROL_PORT'))
  }

  /** Ends it as the contract says: SIGTERM to the group, SIGKILL after five seconds. */
  async stop(): Promise<Exit> {
    this.#kill('SIGTERM')
    const exit = await within(this.exited, STOP_MS, undefined)
    if (exit !== undefined) return exit
    this.#kill('SIGKILL')
    return this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    process.kill(-pid, signal)
  }

  #port(name: string): number {
    const line = this.lines.find((each) => each.startsWith(`${name}=`))
    const port = Number(line?.slice(name.length + 1))
    if (!Number.isInteger(port) || port < 1) throw new Failure(`the harness told no ${name}`)
    return port
  }
}
