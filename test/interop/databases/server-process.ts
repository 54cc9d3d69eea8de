import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** How a server is started, and what it says once it can be reached. */
export interface ServerProgram {
  readonly path: string
  readonly args: readonly string[]
  readonly ready: RegExp
  /** As whom it runs. Default: as this process. */
  readonly user?: { readonly uid?: number; readonly gid?: number } | undefined
}

/** A server of the system, in a process of its own, which does not outlive the test. */
export class ServerProcess implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#exited = once(child, 'exit')
  }

  /** Resolves once it can be reached; rejects with what it wrote when it ends before. */
  static async start({ path, args, ready, user = {} }: ServerProgram): Promise<ServerProcess> {
    const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], ...user })
    const server = new ServerProcess(child)
    let output = ''
    await new Promise<void>((resolve, reject) => {
      const onData = (data: Buffer): void => {
        output += String(data)
        if (ready.test(output)) resolve()
      }
      child.stdout.on('data', onData)
      child.stderr.on('data', onData)
      void server.#exited.then(() => reject(new Error(`${path} ended: ${output}`)))
    })
    return server
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#exited
  }
}
