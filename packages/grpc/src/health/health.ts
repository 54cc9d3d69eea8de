import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
} from '@grpc/grpc-js'
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type HealthCheckRequest,
  type HealthCheckResponse,
  SERVING_STATUS,
  type ServingStatus,
} from './messages.ts'

type Watcher = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>
type HealthMethod = MethodDefinition<HealthCheckRequest, HealthCheckResponse>

/** The methods of the health service, as an implementation of gRPC has them. */
export interface HealthImplementation {
  readonly Check: handleUnaryCall<HealthCheckRequest, HealthCheckResponse>
  readonly Watch: handleServerStreamingCall<HealthCheckRequest, HealthCheckResponse>
}

/** The standard service `grpc.health.v1.Health`. */
export const HEALTH_SERVICE = 'grpc.health.v1.Health'

/** Describes the methods `Check` and `Watch` of {@link HEALTH_SERVICE}, for servers and clients. */
export const healthDefinition: ServiceDefinition & {
  readonly Check: HealthMethod
  readonly Watch: HealthMethod
} = { Check: method('Check', false), Watch: method('Watch', true) }

function method(name: string, responseStream: boolean): HealthMethod {
  return {
    path: `/${HEALTH_SERVICE}/${name}`,
    originalName: name.toLowerCase(),
    requestStream: false,
    responseStream,
    requestSerialize: encodeRequest,
    requestDeserialize: decodeRequest,
    responseSerialize: encodeResponse,
    responseDeserialize: decodeResponse,
  }
}

/** Whether a server and each of its services can serve, as `grpc.health.v1.Health` tells its callers. */
export class Health {
  readonly #statuses = new Map<string, ServingStatus>([['', SERVING_STATUS.SERVING]])
  readonly #watchers = new Map<Watcher, string>()
  #isClosed = false

  /**
   * Says whether a service can serve.
   * @param service its full name, such as `orders.v1.Orders`; empty: the server as a whole
   */
  set(service: string, isServing: boolean): void {
    // What closes serves nothing.
    const isReady = isServing && !this.#isClosed
    this.#statuses.set(service, isReady ? SERVING_STATUS.SERVING : SERVING_STATUS.NOT_SERVING)
    for (const [watcher, watched] of this.#watchers) {
      if (watched === service) watcher.write({ status: this.#statusOf(service) })
    }
  }

  /** Says that nothing can serve any more, and ends the calls that watch. */
  close(): void {
    this.#isClosed = true
    for (const service of this.#statuses.keys()) this.set(service, false)
    for (const watcher of this.#watchers.keys()) watcher.end()
    this.#watchers.clear()
  }

  /** Handles the calls of the service. */
  get implementation(): HealthImplementation {
    return {
      Check: ({ request: { service } }, callback) => {
        if (this.#statuses.has(service)) callback(null, { status: this.#statusOf(service) })
        else callback({ code: status.NOT_FOUND, details: 'the server has no such service' })
      },
      Watch: (call) => this.#watch(call),
    }
  }

  #watch(call: Watcher): void {
    const { service } = call.request
    call.write({ status: this.#statusOf(service) })
    if (this.#isClosed) {
      call.end()
      return
    }
    this.#watchers.set(call, service)
    call.on('cancelled', () => this.#watchers.delete(call))
  }

  #statusOf(service: string): ServingStatus {
    return this.#statuses.get(service) ?? SERVING_STATUS.SERVICE_UNKNOWN
  }
}
