import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js'
import type { ServerWritableStream, UntypedServiceImplementation, status } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { MethodDefinition, ServiceDefinition } from '@grpc/proto-loader'

/** A message as an object of the proto, or as the bytes to put on the wire. */
export type Reply = object | Buffer

/** One call of a client, answered by the test line by line. */
export class AgentCall {
  readonly method: string
  /** All values of the security header, as they came. */
  readonly header: readonly unknown[]
  /** When it came, in milliseconds of the monotonic clock. */
  readonly at: number = performance.now()
  /** Settles when the client cancels the call. */
  readonly cancelled: Promise<void>
  readonly #stream: ServerWritableStream<object, Reply>

  constructor(method: string, stream: ServerWritableStream<object, Reply>) {
    this.method = method
    this.header = stream.metadata.get('workload.spiffe.io')
    this.#stream = stream
    this.cancelled = new Promise((resolve) => stream.on('cancelled', resolve))
  }

  send(reply: Reply): void {
    this.#stream.write(reply)
  }

  end(): void {
    this.#stream.end()
  }

  fail(code: status, details = 'as the test says'): void {
    this.#stream.emit('error', { code, details, metadata: new Metadata() })
  }
}

/** A Workload API that says what the test makes it say, on a real Unix socket. */
export class ScriptedAgent implements AsyncDisposable {
  readonly #directory: string
  readonly #calls: AgentCall[] = []
  readonly #arrived = new EventTarget()
  #server: Server | undefined
  #taken = 0

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async create(): Promise<ScriptedAgent> {
    return new ScriptedAgent(await mkdtemp(join(tmpdir(), 'agent-')))
  }

  static async listen(): Promise<ScriptedAgent> {
    const agent = await ScriptedAgent.create()
    await agent.start()
    return agent
  }

  get socketPath(): string {
    return join(this.#directory, 'api.sock')
  }

  get address(): string {
    return `unix://${this.socketPath}`
  }

  /** Every call so far. */
  get calls(): readonly AgentCall[] {
    return this.#calls
  }

  /** The next call that no test has taken yet. */
  async nextCall(): Promise<AgentCall> {
    for (;;) {
      const call = this.#calls[this.#taken]
      if (call !== undefined) {
        this.#taken += 1
        return call
      }
      await new Promise((resolve) => {
        this.#arrived.addEventListener('call', resolve, { once: true })
      })
    }
  }

  /** Listens at the socket, or at another target of gRPC. Returns the port, if it has one. */
  async start(target = `unix://${this.socketPath}`): Promise<number> {
    const server = new Server()
    server.addService((endpointService ??= passThrough(workloadApi())), this.#handlers())
    this.#server = server
    return await new Promise((resolve, reject) => {
      server.bindAsync(target, ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port)
        else reject(error)
      })
    })
  }

  /** Dies as an agent does that is killed: connections break, the socket is gone. */
  async kill(): Promise<void> {
    this.#server?.forceShutdown()
    this.#server = undefined
    await rm(this.socketPath, { force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.#directory, { recursive: true, force: true })
  }

  #handlers(): UntypedServiceImplementation {
    const handle = (method: string) => (stream: ServerWritableStream<object, Reply>) => {
      this.#calls.push(new AgentCall(method, stream))
      this.#arrived.dispatchEvent(new Event('call'))
    }
    return {
      FetchX509SVID: handle('FetchX509SVID'),
      FetchX509Bundles: handle('FetchX509Bundles'),
      FetchJWTBundles: handle('FetchJWTBundles'),
    }
  }
}

/** Read once: that takes as long as all else of an agent. */
let endpointService: ServiceDefinition | undefined

function workloadApi(): ServiceDefinition {
  const file = createRequire(import.meta.url).resolve('@fastify-spiffe/spiffe/workload.proto')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file is the product's own
  return loadSync(file)['SpiffeWorkloadAPI'] as ServiceDefinition
}

/** The streams of the service, which send bytes as they are. */
function passThrough(service: ServiceDefinition): ServiceDefinition {
  const streams = Object.entries(service).filter(([, { responseStream }]) => responseStream)
  return Object.fromEntries(streams.map(([name, method]) => [name, sendingBytes(method)]))
}

function sendingBytes(method: MethodDefinition<object, object>): MethodDefinition<object, object> {
  const { responseSerialize } = method
  return {
    ...method,
    responseSerialize: (reply) => (Buffer.isBuffer(reply) ? reply : responseSerialize(reply)),
  }
}
