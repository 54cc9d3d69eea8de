import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Round } from './statistics.ts'
import type { ServerReport, ServerRole } from './server.ts'

/** A server in a process of its own, whose CPU time is read around each round of work. */
export class MeasuredServer {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  static async start(role: ServerRole, execArgv: readonly string[] = []): Promise<MeasuredServer> {
    const program = fileURLToPath(new URL('./server.js', import.meta.url))
    const child = fork(program, { execArgv: [...execArgv] })
    child.send(role)
    const report = await nextReport(child)
    if (report.kind !== 'listening') throw new Error(`unexpected report ${report.kind}`)
    return new MeasuredServer(child, report.port)
  }

  async measure(units: number, work: () => Promise<void>): Promise<Round> {
    const cpuBefore = await this.#cpuMs()
    const wallBefore = performance.now()
    await work()
    const wallMs = performance.now() - wallBefore
    return { units, wallMs, cpuMs: (await this.#cpuMs()) - cpuBefore }
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }

  async #cpuMs(): Promise<number> {
    this.#child.send('cpu')
    const report = await nextReport(this.#child)
    if (report.kind !== 'cpu') throw new Error(`unexpected report ${report.kind}`)
    return report.cpuMs
  }
}

async function nextReport(child: ChildProcess): Promise<ServerReport> {
  const ended = new AbortController()
  const onExit = (code: number | null): void => {
    ended.abort(new Error(`the server's process ended with ${code}`))
  }
  child.once('exit', onExit)
  try {
    const [report] = (await once(child, 'message', { signal: ended.signal })) as [ServerReport]
    return report
  } catch (error) {
    throw ended.signal.aborted ? ended.signal.reason : error
  } finally {
    child.off('exit', onExit)
  }
}
