import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js'
import type {
  sendUnaryData,
  ServerUnaryCall,
  ServerWritableStream,
  status,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { MethodDefinition, ServiceDefinition } from '@grpc/proto-loader'

/** A message as an object of the proto, or as the bytes to put on the wire. */
export type Reply = object | Buffer

type Stream = ServerWritableStream<object, Reply>
type Unary = ServerUnaryCall<object, Reply>

interface Failure {
  readonly code: status
  readonly details: string
  readonly metadata: Metadata
}

/** How a call is answered: a stream by messages, the other methods once. */
interface Answers {
  send(reply: Reply): void
  end(): void
  fail(failure: Failure): void
}

/** One call of a client, answered by the test line by line. */
export class AgentCall {
  readonly method: string
  /** What the client asks for. */
  readonly request: object
  /** All values of the security header, as they came. */
  readonly header: readonly unknown[]
  /** When it came, in milliseconds of the monotonic clock. */
  readonly at: number = performance.now()
  /** Settles when the client cancels the call. */
  readonly cancelled: Promise<void>
  readonly #answers: Answers

  constructor(method: string, call: Stream | Unary, answers: Answers) {
    this.method = method
    this.request = call.request
    this.header = call.metadata.get('workload.spiffe.io')
    this.cancelled = new Promise((resolve) => call.on('cancelled', resolve))
    this.#answers = answers
  }

  /** Sends a message, or the answer of a method that has one alone. */
  send(reply: Reply): void {
    this.#answers.send(reply)
  }

  end(): void {
    this.#answers.end()
  }

  fail(code: status, details = 'as the test says'): void {
    this.#answers.fail({ code, details, metadata: new Metadata() })
  }
}

/** A Workload API that says what the test makes it say, on a real Unix socket. */
export class ScriptedAgent implements AsyncDisposable {
  readonly #directory: string
  readonly #calls: AgentCall[] = []
  readonly #untaken = new Set<AgentCall>()
  readonly #arrived = new EventTarget()
  #server: Server | undefined

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

  /** The next call that no test has taken yet, of one method or of any. */
  async nextCall(method?: string): Promise<AgentCall> {
    for (;;) {
      for (const call of this.#untaken) {
        if (method !== undefined && call.method !== method) continue
        this.#untaken.delete(call)
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
    const streaming = (method: string) => (stream: Stream) =>
      this.#add(
        new AgentCall(method, stream, {
          send: (reply) => void stream.write(reply),
          end: () => void stream.end(),
          fail: (failure) => void stream.emit('error', failure),
        }),
      )
    const unary = (method: string) => (call: Unary, answer: sendUnaryData<Reply>) =>
      this.#add(
        new AgentCall(method, call, {
          send: (reply) => answer(null, reply),
          end: () => {},
          fail: (failure) => answer(failure),
        }),
      )
    return {
      FetchX509SVID: streaming('FetchX509SVID'),
      FetchX509Bundles: streaming('FetchX509Bundles'),
      FetchJWTSVID: unary('FetchJWTSVID'),
      FetchJWTBundles: streaming('FetchJWTBundles'),
      ValidateJWTSVID: unary('ValidateJWTSVID'),
      FetchWITSVID: streaming('FetchWITSVID'),
      FetchWITBundles: streaming('FetchWITBundles'),
    }
  }

  #add(call: AgentCall): void {
    this.#calls.push(call)
    this.#untaken.add(call)
    this.#arrived.dispatchEvent(new Event('call'))
  }
}

/** Read once: that takes as long as all else of an agent. */
let endpointService: ServiceDefinition | undefined

function workloadApi(): ServiceDefinition {
  const file = createRequire(import.meta.url).resolve('@fastify-spiffe/spiffe/workload.proto')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file is the product's own
  return loadSync(file)['SpiffeWorkloadAPI'] as ServiceDefinition
}

/** The service, which sends bytes as they are. */
function passThrough(service: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(service)
  return Object.fromEntries(methods.map(([name, method]) => [name, sendingBytes(method)]))
}

function sendingBytes(method: MethodDefinition<object, object>): MethodDefinition<object, object> {
  const { responseSerialize } = method
  return {
    ...method,
    responseSerialize: (reply) => (Buffer.isBuffer(reply) ? reply : responseSerialize(reply)),
  }
}
