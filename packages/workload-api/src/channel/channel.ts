import { Client, Metadata, connectivityState, credentials } from '@grpc/grpc-js'
import type { ClientOptions } from '@grpc/grpc-js'

import type { EndpointAddress } from '../endpoint/address.ts'
import { WorkloadApiError } from '../errors.ts'
import { LIMITS } from '../messages/limits.ts'
import type { Method } from './definition.ts'
import { addSecurityHeader } from './security-header.ts'
import { fromStatus } from './status.ts'

const NOTHING = Buffer.alloc(0)

const OPTIONS: ClientOptions = {
  interceptors: [addSecurityHeader],
  'grpc.max_receive_message_length': LIMITS.messageBytes,
  // gRPC's own 120 s between two attempts to connect would keep a returned agent waiting.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // Each source in a process has its own connection.
  'grpc.use_local_subchannel_pool': 1,
  // Finds an agent that hangs. SPIRE ends connections that ask more than once in five minutes.
  'grpc.keepalive_time_ms': 360_000,
  'grpc.keepalive_timeout_ms': 20_000,
  // The watch retries, and counts its attempts.
  'grpc.enable_retries': 0,
  // The endpoint is local: a proxy of the environment must never see private keys.
  'grpc.enable_http_proxy': 0,
  'grpc.enable_channelz': 0,
}

/** How a call that is answered once is made. */
export interface UnaryCallOptions {
  readonly signal: AbortSignal
  /** Whether an error leaves out what the endpoint said: it may quote what was sent. Default: no. */
  readonly hidesDetails?: boolean
}

/** The connection to one Workload API. It connects at the first call, and again whenever it must. */
export class Channel {
  readonly address: EndpointAddress
  #client: Client
  #renewal = new AbortController()

  constructor(address: EndpointAddress) {
    this.address = address
    this.#client = newClient(address)
  }

  /**
   * Calls a method that streams, and yields its messages undecoded. Returns when the server ends the
   * stream cleanly.
   * @throws the signal's reason, or {@link WorkloadApiError}: `timeout` when the channel was renewed
   *   meanwhile, or what any other status means
   */
  async *receive(
    method: Method,
    signal: AbortSignal,
    request: object = {},
  ): AsyncGenerator<Buffer, void> {
    signal.throwIfAborted()
    const renewal = this.#renewal.signal
    const call = this.#client.makeServerStreamRequest<object, Buffer>(
      method.path,
      method.requestSerialize,
      (message) => message,
      request,
      new Metadata(),
    )
    // A cancelled call emits an error too, after the last listener has gone.
    call.on('error', () => {})
    const cancel = (): void => call.cancel()
    for (const end of [signal, renewal]) end.addEventListener('abort', cancel, { once: true })
    try {
      yield* call as AsyncIterable<Buffer>
    } catch (error) {
      signal.throwIfAborted()
      renewal.throwIfAborted()
      throw fromStatus({ endpoint: this.address.uri, error, connected: this.#isConnected() })
    } finally {
      for (const end of [signal, renewal]) end.removeEventListener('abort', cancel)
      call.cancel()
    }
  }

  /**
   * Calls a method that is answered once, and resolves with its answer undecoded.
   * @throws as {@link receive}
   */
  async call(
    method: Method,
    request: object,
    { signal, hidesDetails = false }: UnaryCallOptions,
  ): Promise<Buffer> {
    signal.throwIfAborted()
    const renewal = this.#renewal.signal
    let cancel: (() => void) | undefined
    try {
      return await new Promise<Buffer>((resolve, reject) => {
        const call = this.#client.makeUnaryRequest<object, Buffer>(
          method.path,
          method.requestSerialize,
          (message) => message,
          request,
          new Metadata(),
          (error, answer) => (error === null ? resolve(answer ?? NOTHING) : reject(error)),
        )
        const end = (cancel = () => call.cancel())
        for (const each of [signal, renewal]) each.addEventListener('abort', end, { once: true })
      })
    } catch (error) {
      signal.throwIfAborted()
      renewal.throwIfAborted()
      const connected = this.#isConnected()
      throw fromStatus({ endpoint: this.address.uri, error, connected, hidesDetails })
    } finally {
      if (cancel !== undefined) {
        for (const end of [signal, renewal]) end.removeEventListener('abort', cancel)
      }
    }
  }

  /**
   * Drops the connection and its calls: the next call makes a new one. A connection can be dead
   * without a sign, and pings notice that late.
   */
  renew(): void {
    const renewal = this.#renewal
    this.#renewal = new AbortController()
    this.#client.close()
    this.#client = newClient(this.address)
    renewal.abort(
      new WorkloadApiError(
        'timeout',
        `no message in time from the Workload API at ${this.address.uri}`,
      ),
    )
  }

  /** Closes the connection, so that it does not keep the process alive. Safe to call twice. */
  close(): void {
    this.#client.close()
  }

  #isConnected(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY
  }
}

function newClient({ target }: EndpointAddress): Client {
  // Workload Endpoint §3: transport security is not required; the endpoint attests its caller.
  return new Client(target, credentials.createInsecure(), OPTIONS)
}
