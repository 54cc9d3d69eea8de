import type { Metadata } from '@grpc/grpc-js'
import type { CallChain } from '@fastify-spiffe/policy'
import type { ConnectionPeer } from '@fastify-spiffe/tls'

/** A call that has arrived, before its first message is read. */
export interface GrpcCall {
  /** The method, such as `/orders.v1.Orders/Get`. */
  readonly path: string
  /** What the caller sent before its messages. */
  readonly metadata: Metadata
  /** The verified peer of the connection; `null` for one without a certificate, if the server lets such in. */
  readonly peer: ConnectionPeer | null
  /** On whose behalf the call is made, verified; `null`: the caller acts for itself, or the server has no option `chains`. */
  readonly chain: CallChain | null
  /** What the caller takes the server for (`:authority`); empty where it does not say. Anybody can say anything. */
  readonly host: string
  /** The address of the peer; `undefined` once the connection is gone. */
  readonly remoteAddress: string | undefined
  /** Tells calls of this process apart. */
  readonly id: string
}

/** The only implementation. */
export class ReceivedCall implements GrpcCall {
  static #count = 0
  readonly path: string
  readonly metadata: Metadata
  readonly peer: ConnectionPeer | null
  readonly chain: CallChain | null
  readonly host: string
  readonly remoteAddress: string | undefined
  readonly #number: number

  constructor(properties: Omit<GrpcCall, 'id'>) {
    this.path = properties.path
    this.metadata = properties.metadata
    this.peer = properties.peer
    this.chain = properties.chain
    this.host = properties.host
    this.remoteAddress = properties.remoteAddress
    this.#number = ++ReceivedCall.#count
  }

  // Written only for those who read it.
  get id(): string {
    return `grpc-${this.#number.toString(36)}`
  }
}
