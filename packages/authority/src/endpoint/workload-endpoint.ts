import { BundleSet, type WaitOptions } from '@fastify-spiffe/spiffe'
import { Server, ServerCredentials, type Metadata } from '@grpc/grpc-js'
import type { sendUnaryData, ServerUnaryCall } from '@grpc/grpc-js'
import { readIdentity, type IdentityOptions } from '../workload/identity.ts'
import type { Workload } from '../workload/workload.ts'
import { AuthorityError } from '../errors.ts'
import { Calls, type WorkloadApiCall } from './calls.ts'
import { Faults, type Treatment } from './faults.ts'
import { answer, type JwtRequest } from './jwt-calls.ts'
import { openListener, type Listener } from './listener.ts'
import { messageOf } from './messages.ts'
import type { ListenAddress } from './options.ts'
import { SERVICE, STREAM_METHODS, type StreamMethod, type UnaryMethod } from './service.ts'
import type { WorkloadApiMessage, WorkloadApiMethod } from './service.ts'
import { callStatus, NO_IDENTITY, NO_SECURITY_HEADER } from './status.ts'
import type { StatusName } from './status.ts'
import { endWith, Streams, type OpenStream, type ServerStream } from './streams.ts'

/** Narrows a fault or a wait to one method; all by default. */
export interface MethodOptions {
  /** The method. Default: all. */
  readonly method?: WorkloadApiMethod
}

/** How calls are to end. */
export interface FailOptions extends MethodOptions {
  /** How many calls; all that follow by default. */
  readonly times?: number
  /** The message of the status. Default `as the test demands`. */
  readonly details?: string
}

/** How streams are to end. */
export interface DropOptions extends MethodOptions {
  /** By default they end well. */
  readonly status?: StatusName
}

type UnaryCall = ServerUnaryCall<JwtRequest, WorkloadApiMessage>
type Reply = sendUnaryData<WorkloadApiMessage>

/** A stream for {@link WorkloadEndpoint.send}. */
export interface SendOptions {
  /** The method whose streams get it. Default `FetchX509SVID`. */
  readonly method?: StreamMethod
}

const SECURITY_HEADER = 'workload.spiffe.io'

/**
 * A Workload API server for one workload, which behaves like SPIRE's agent, and misbehaves on
 * demand. Without attestation: every process that reaches the socket is the workload.
 */
export class WorkloadEndpoint implements AsyncDisposable {
  readonly #workload: Workload
  readonly #server: Server
  readonly #listener: Listener
  readonly #calls: Calls
  readonly #streams = new Streams()
  readonly #faults = new Faults()
  readonly #clock: () => number
  #closing: Promise<void> | undefined

  private constructor(workload: Workload, server: Server, listener: Listener, clock: () => number) {
    this.#workload = workload
    this.#server = server
    this.#listener = listener
    this.#calls = new Calls(clock)
    this.#clock = clock
    workload.onUpdate(() => this.#deliver())
    const streams = STREAM_METHODS.map((method) => [
      method,
      (call: ServerStream) => this.#serve(method, call),
    ])
    server.addService(SERVICE, {
      ...Object.fromEntries(streams),
      FetchJWTSVID: (call: UnaryCall, reply: Reply) => this.#answer('FetchJWTSVID', call, reply),
      ValidateJWTSVID: (call: UnaryCall, reply: Reply) =>
        this.#answer('ValidateJWTSVID', call, reply),
    })
  }

  /**
   * Starts to serve; for `Authority.serve`.
   * @throws {@link AuthorityError} `invalid-socket-path`, `socket-in-use`
   */
  static async open(
    workload: Workload,
    place: ListenAddress,
    clock: () => number,
  ): Promise<WorkloadEndpoint> {
    const server = new Server()
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
    const listener = await openListener(place, (socket) => injector.injectConnection(socket))
    return new WorkloadEndpoint(workload, server, listener, clock)
  }

  /** What to set `SPIFFE_ENDPOINT_SOCKET` to: `unix:///…`, or `tcp://127.0.0.1:…`. */
  get address(): string {
    return this.#listener.address
  }

  /** The latest calls, at most 10,000, oldest first. */
  get calls(): readonly WorkloadApiCall[] {
    return this.#calls.list
  }

  /** How many streams are open. */
  openStreams({ method }: MethodOptions = {}): number {
    return this.#streams.of(method).length
  }

  /**
   * Gives the workload other identities, the default one first. Without any, its streams end and
   * its calls are refused.
   * @throws {@link AuthorityError} `foreign-spiffe-id`, `unmintable`, `closed`
   * @throws {@link SpiffeError} `invalid-spiffe-id`
   */
  async setIdentities(identities: readonly IdentityOptions[]): Promise<void> {
    const { trustDomain } = this.#workload.state.bundle
    await this.#workload.assign(identities.map((options) => readIdentity(trustDomain, options)))
  }

  /** Refuses as an agent does whose registration entry is gone: ends streams with PERMISSION_DENIED. */
  deny({ method }: MethodOptions = {}): void {
    this.#faults.fail(NO_IDENTITY, Infinity, method)
    this.#streams.end(method, NO_IDENTITY)
  }

  /** Takes {@link deny} back. */
  allow(options: MethodOptions = {}): void {
    this.resume(options)
  }

  /** Keeps streams open, and sends nothing. */
  hang({ method }: MethodOptions = {}): void {
    this.#faults.hang(method)
  }

  /**
   * Lets the calls that follow end with a status. Streams that are open stay so.
   * @throws {@link AuthorityError} `invalid-option` for a status that gRPC does not have
   */
  fail(status: StatusName, { method, times = Infinity, details }: FailOptions = {}): void {
    this.#faults.fail(callStatus(status, details), times, method)
  }

  /** Ends every fault. Streams that are open get the present state. */
  resume({ method }: MethodOptions = {}): void {
    this.#faults.clear(method)
    for (const stream of this.#streams.of(method)) this.#send(stream)
  }

  /**
   * Ends the streams that are open, once.
   * @throws {@link AuthorityError} `invalid-option` for a status that gRPC does not have
   */
  drop({ method, status }: DropOptions = {}): void {
    this.#streams.end(method, status === undefined ? undefined : callStatus(status))
  }

  /**
   * Sends a response of the caller's making to the streams that are open: an object in the field
   * names of `workload.proto`, or any bytes. Bytes of a size or a content that no client takes, too.
   */
  send(message: WorkloadApiMessage, { method = 'FetchX509SVID' }: SendOptions = {}): void {
    for (const { call } of this.#streams.of(method)) call.write(message)
  }

  /** Cuts all connections; the socket disappears. */
  stop(): Promise<void> {
    return this.#listener.stop()
  }

  /**
   * Comes back at the same address.
   * @throws {@link AuthorityError} `invalid-socket-path`, `socket-in-use`, `closed`
   */
  async start(): Promise<void> {
    if (this.#closing !== undefined) throw new AuthorityError('closed', 'the endpoint is closed')
    await this.#listener.start()
  }

  /**
   * As an agent that is restarted: {@link stop}, then {@link start}.
   * @throws {@link AuthorityError} as {@link start}
   */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** Resolves as soon as a stream is open; at once when one is. */
  waitForStream({ method, signal }: MethodOptions & WaitOptions = {}): Promise<void> {
    return this.#streams.waitFor('some', method, waitOptions(signal))
  }

  /** Resolves as soon as no stream is open; at once when none is. */
  waitForNoStream({ method, signal }: MethodOptions & WaitOptions = {}): Promise<void> {
    return this.#streams.waitFor('none', method, waitOptions(signal))
  }

  /** Resolves with the next call, whether it is answered or refused. */
  nextCall({ method, signal }: MethodOptions & WaitOptions = {}): Promise<WorkloadApiCall> {
    return this.#calls.next(method, waitOptions(signal))
  }

  /** Cuts all connections, removes the socket and leaves the authority. Safe to call twice. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    this.#workload.leave()
    await this.#listener.close()
    this.#server.forceShutdown()
    this.#streams.close()
    this.#calls.close()
  }

  #serve(method: StreamMethod, call: ServerStream): void {
    const treatment = this.#treat(method, call.metadata)
    if (typeof treatment === 'object') return endWith(call, treatment)
    const stream = this.#streams.add(method, call)
    if (treatment === 'answer') this.#send(stream)
  }

  #answer(method: UnaryMethod, { metadata, request }: UnaryCall, reply: Reply): void {
    const treatment = this.#treat(method, metadata)
    if (typeof treatment === 'object') return reply(treatment)
    if (treatment === 'hang') return
    answer(method, request, this.#workload, this.#clock).then(
      (answered) =>
        answered.status === null ? reply(null, answered.message) : reply(answered.status),
      () => reply(callStatus('UNAVAILABLE', 'the authority cannot answer')),
    )
  }

  #treat(method: WorkloadApiMethod, metadata: Metadata): Treatment {
    this.#calls.record(method, metadata)
    // Workload Endpoint §3: every call carries the header. SPIRE wants it exactly once.
    return hasSecurityHeader(metadata) ? this.#faults.treat(method) : NO_SECURITY_HEADER
  }

  #deliver(): void {
    for (const stream of this.#streams.of(undefined)) this.#update(stream)
  }

  #update(stream: OpenStream): void {
    if (!this.#faults.isHanging(stream.method)) this.#send(stream)
  }

  #send(stream: OpenStream): void {
    const { state } = this.#workload
    if (stream.call.writableNeedDrain) return this.#sendLater(stream)
    if (state.identities.length === 0) return endWith(stream.call, NO_IDENTITY)
    const bundles = BundleSet.of(state.bundle, ...state.federatedBundles)
    // As SPIRE does it: a stream of bundles repeats nothing.
    if (stream.method === 'FetchX509Bundles' && stream.bundles?.equals(bundles) === true) return
    const { jwtBundles } = state
    const isRepeated = stream.jwtBundles?.equals(jwtBundles) === true
    if (stream.method === 'FetchJWTBundles' && isRepeated) return
    stream.bundles = bundles
    stream.jwtBundles = jwtBundles
    stream.call.write(messageOf(stream.method, state))
  }

  // A client that does not read gets the latest state in the end, and fills no memory meanwhile.
  #sendLater(stream: OpenStream): void {
    if (stream.waiting === true) return
    stream.waiting = true
    stream.call.once('drain', () => {
      stream.waiting = false
      this.#update(stream)
    })
  }
}

function hasSecurityHeader(metadata: Metadata): boolean {
  const values = metadata.get(SECURITY_HEADER)
  return values.length === 1 && values[0] === 'true'
}

function waitOptions(signal: AbortSignal | undefined): WaitOptions {
  return signal === undefined ? {} : { signal }
}
