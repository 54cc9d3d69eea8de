import {
  type CallCredentials,
  type Channel,
  Metadata,
  status,
  type StatusObject,
} from '@grpc/grpc-js'
import { TlsError } from '@fastify-spiffe/tls'
import { GrpcError } from '../errors.ts'
import { gateRefusal } from './gate-refusal.ts'
import type { Cancellable, Generation } from './generation.ts'
import type { ChannelSettings } from './options.ts'

/** A call as channels of gRPC make it. */
export type ChannelCall = ReturnType<Channel['createCall']>

type Listener = Parameters<ChannelCall['start']>[1]

/** A call on the connection of the moment. */
export interface OpenedCall {
  readonly generation: Generation
  readonly call: ChannelCall
}

/**
 * A call that is made when it starts: until then, the generation of that moment may be gone. Its generation lives as long as
 * it runs, and a status that comes of a refused server has the reason as `cause`.
 */
export class TrackedCall implements ChannelCall, Cancellable {
  readonly #open: () => OpenedCall | null
  readonly #target: string
  readonly #chainHeaders: (() => object) | null
  #call: ChannelCall | undefined
  #credentials: CallCredentials | undefined
  #cancellation: readonly [status, string] | undefined

  /** @param open - makes the call; `null`: the channel is closed */
  constructor(
    open: () => OpenedCall | null,
    { target, chainHeaders }: Pick<ChannelSettings, 'target' | 'chainHeaders'>,
  ) {
    this.#open = open
    this.#target = target
    this.#chainHeaders = chainHeaders
  }

  start(metadata: Metadata, listener: Listener): void {
    const sent = this.#withChain(metadata)
    const opened = sent.ok ? this.#open() : null
    if (!sent.ok || opened === null) {
      const failed = sent.ok ? statusOf(status.UNAVAILABLE, 'the channel is closed') : sent.failed
      process.nextTick(() => listener.onReceiveStatus(failed))
      return
    }
    const { generation, call } = opened
    this.#call = call
    if (this.#credentials !== undefined) call.setCredentials(this.#credentials)
    generation.add(this)
    call.start(sent.metadata, {
      onReceiveMetadata: (received) => listener.onReceiveMetadata(received),
      onReceiveMessage: (message) => listener.onReceiveMessage(message),
      onReceiveStatus: (ended) => {
        generation.remove(this)
        listener.onReceiveStatus(withCause(ended, generation))
      },
    })
    if (this.#cancellation !== undefined) call.cancelWithStatus(...this.#cancellation)
  }

  /** The metadata with what says on whose behalf the call is made. */
  #withChain(metadata: Metadata): WithChain {
    if (this.#chainHeaders === null) return { ok: true, metadata }
    try {
      return { ok: true, metadata: withEntries(metadata, this.#chainHeaders()) }
    } catch (cause) {
      const failed = statusOf(status.FAILED_PRECONDITION, 'the chain of the call cannot be made')
      return { ok: false, failed: Object.assign(failed, { cause }) }
    }
  }

  cancelWithStatus(code: status, details: string): void {
    if (this.#call === undefined) this.#cancellation ??= [code, details]
    else this.#call.cancelWithStatus(code, details)
  }

  setCredentials(credentials: CallCredentials): void {
    if (this.#call === undefined) this.#credentials = credentials
    else this.#call.setCredentials(credentials)
  }

  sendMessageWithContext(...args: Parameters<ChannelCall['sendMessageWithContext']>): void {
    this.#call?.sendMessageWithContext(...args)
  }

  startRead(): void {
    this.#call?.startRead()
  }

  halfClose(): void {
    this.#call?.halfClose()
  }

  getPeer(): string {
    return this.#call?.getPeer() ?? this.#target
  }

  getCallNumber(): number {
    return this.#call?.getCallNumber() ?? -1
  }

  getAuthContext(): ReturnType<ChannelCall['getAuthContext']> {
    return this.#call?.getAuthContext() ?? null
  }
}

type WithChain =
  | { readonly ok: true; readonly metadata: Metadata }
  | { readonly ok: false; readonly failed: StatusObject }

/** @throws {GrpcError} `invalid-option` when the metadata has one of the entries already */
function withEntries(metadata: Metadata, entries: object): Metadata {
  const sent = metadata.clone()
  for (const [key, value] of Object.entries(entries)) {
    if (sent.get(key).length > 0) {
      throw new GrpcError(
        'invalid-option',
        `chainHeaders adds ${key} to the metadata: do not give it`,
      )
    }
    sent.set(key, String(value))
  }
  return sent
}

function statusOf(code: status, details: string): StatusObject {
  return { code, details, metadata: new Metadata() }
}

/** gRPC tells the error of a connection by its text alone, and makes properties of the status those of its error. */
function withCause(ended: StatusObject, generation: Generation): StatusObject {
  if (ended.code !== status.UNAVAILABLE) return ended
  const cause = causeOf(ended.details, generation)
  return cause === null ? ended : Object.assign(ended, { cause })
}

function causeOf(details: string, { refusal, svid }: Generation): TlsError | null {
  if (refusal !== null && details.includes(refusal.message)) return refusal
  if (svid === null) return new TlsError('no-svid', 'the source has no SVID to present')
  return gateRefusal(details)
}
