import { Client, Metadata, status } from '@grpc/grpc-js'
import type { ChannelCredentials, ClientOptions, ServiceError } from '@grpc/grpc-js'
import { PolicyError, invalidAnswer } from '@fastify-spiffe/policy/engine-kit'
import { checkMethod, type CheckMethod } from './definition.ts'

export interface ChannelParts {
  readonly engine: string
  readonly target: string
  readonly credentials: ChannelCredentials
  readonly maxResponseBytes: number
}

/** After this many missed deadlines in a row the connection is replaced: it may be dead without notice. */
const MISSES = 3

/** The connection to one authorization service. It connects at once, so that the first request need not wait, and reconnects. */
export class CheckChannel {
  readonly #parts: ChannelParts
  readonly #method: CheckMethod = checkMethod()
  #client: Client
  #misses = 0

  constructor(parts: ChannelParts) {
    this.#parts = parts
    this.#client = newClient(parts)
  }

  /** @throws {PolicyError} `engine-unreachable`, `invalid-answer` */
  check(request: object, signal: AbortSignal): Promise<object> {
    const client = this.#client
    const { path, requestSerialize, responseDeserialize } = this.#method
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        (error, response) => {
          signal.removeEventListener('abort', cancel)
          if (!signal.aborted) this.#misses = 0
          if (error !== null) reject(this.#errorOf(error))
          else if (response === undefined) reject(this.#errorOf(new Error('no message')))
          else resolve(response)
        },
      )
      const cancel = (): void => {
        call.cancel()
        this.#noteMiss(client)
      }
      signal.addEventListener('abort', cancel, { once: true })
    })
  }

  close(): void {
    this.#client.close()
  }

  #noteMiss(client: Client): void {
    if (client !== this.#client || ++this.#misses < MISSES) return
    this.#misses = 0
    this.#client = newClient(this.#parts)
    client.close()
  }

  #errorOf(error: Error | ServiceError): Error {
    const { engine } = this.#parts
    const code = 'code' in error ? error.code : status.UNKNOWN
    if (code === status.UNAVAILABLE || code === status.CANCELLED) {
      // What gRPC says of the connection. The error itself has the metadata of the call.
      const details = 'details' in error ? error.details.slice(0, 300) : status[code]
      return new PolicyError('engine-unreachable', `${engine} cannot be reached: ${details}`)
    }
    return invalidAnswer(engine, `the status ${status[code]}`, error.message)
  }
}

function newClient({ target, credentials, maxResponseBytes }: ChannelParts): Client {
  const options: ClientOptions = {
    'grpc.max_receive_message_length': maxResponseBytes,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    // A connection that was given up must not be found again.
    'grpc.use_local_subchannel_pool': 1,
    // What fails counts, and is not tried again behind the breaker's back.
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    // The identities of callers are for the service alone, not for a proxy of the environment.
    'grpc.enable_http_proxy': 0,
    'grpc.enable_channelz': 0,
  }
  const client = new Client(target, credentials, options)
  client.getChannel().getConnectivityState(true)
  return client
}
