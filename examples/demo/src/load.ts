import { setTimeout as sleep } from 'node:timers/promises'
import { connect, peerOf } from '@fastify-spiffe/tls'
import type { X509MaterialSource } from 'fastify-spiffe'
import { type Callee, KeptAliveCaller, call } from './callers.ts'

export interface LoadReport {
  readonly keptAlive: number
  readonly fresh: number
  readonly failed: number
}

/** Between two requests: the service and its callers share a process. */
const PAUSE_MS = 5

/** Two callers that continue until they are stopped: one keeps its connection, the other opens a new one each time. */
export class Load {
  readonly #finished: Promise<LoadReport>
  #running = true
  #failed = 0

  constructor(source: X509MaterialSource, callee: Callee, path: string) {
    this.#finished = Promise.all([
      this.#keptAlive(source, callee, path),
      this.#repeat(() => call(source, callee, path)),
    ]).then(([keptAlive, fresh]) => ({ keptAlive, fresh, failed: this.#failed }))
  }

  stop(): Promise<LoadReport> {
    this.#running = false
    return this.#finished
  }

  async #keptAlive(source: X509MaterialSource, callee: Callee, path: string): Promise<number> {
    await using caller = await KeptAliveCaller.open(source, callee)
    return await this.#repeat(() => caller.call(path))
  }

  async #repeat(request: () => Promise<{ status: number }>): Promise<number> {
    let sent = 0
    // A failure ends the load: the demo has failed then.
    while (this.#running && this.#failed === 0) {
      sent += 1
      try {
        if ((await request()).status !== 200) this.#failed += 1
      } catch {
        this.#failed += 1
      }
      await sleep(PAUSE_MS)
    }
    return sent
  }
}

/** The serial number of the certificate that a new connection is shown. */
export async function presentedSerial(
  source: X509MaterialSource,
  { port, server }: Callee,
): Promise<string> {
  const socket = await connect({ source, host: '127.0.0.1', port, server })
  const serial = peerOf(socket)?.serialNumber
  socket.destroy()
  if (serial === undefined) throw new Error('the service presented no certificate')
  return serial
}
