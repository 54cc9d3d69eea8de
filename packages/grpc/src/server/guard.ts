import {
  type FullServerListener,
  type Metadata,
  type ServerInterceptingCallInterface,
  ServerInterceptingCall,
  type ServerInterceptor,
} from '@grpc/grpc-js'
import type { DecisionPoint, PolicyLog } from '@fastify-spiffe/policy'
import { chainFieldsOf, type GrpcChains } from '../call/chains.ts'
import { type GrpcCall, ReceivedCall } from '../call/grpc-call.ts'
import { authContextOf, type GuardedAuthContext, isStillProven } from '../call/peer-of.ts'
import type { InjectedConnections } from './connections.ts'
import { logDecision } from './decision-lines.ts'
import { REFUSALS, type RefusalStatus } from './refusal.ts'

/** What the guard decides calls with. */
export interface GuardParts {
  readonly point: DecisionPoint<GrpcCall>
  readonly connections: Pick<InjectedConnections, 'peerOf'>
  /** Milliseconds since the epoch. */
  readonly clock: () => number
  readonly log: PolicyLog
  /** `null`: chains are ignored. */
  readonly chains: GrpcChains | null
}

/**
 * Makes the interceptor that every call of a server passes first. A refused call gets its status, and neither a handler nor
 * another interceptor hears of it: gRPC runs handlers of streams as soon as they are handed the metadata.
 */
export function guardOf(parts: GuardParts): ServerInterceptor {
  return ({ path }, next) => {
    const admission = new Admission(parts, path, next)
    return new GuardedCall(next, admission)
  }
}

class GuardedCall extends ServerInterceptingCall {
  readonly #admission: Admission

  constructor(next: ServerInterceptingCallInterface, admission: Admission) {
    super(next, { start: (begin) => begin(admission.listener) })
    this.#admission = admission
  }

  override getAuthContext(): GuardedAuthContext {
    return authContextOf(this.#admission.call)
  }
}

const NO_CHAIN = { ok: true, chain: null } as const

/** One call on its way through the guard. */
class Admission {
  readonly listener: FullServerListener
  /** `null` until it is admitted. */
  call: GrpcCall | null = null
  readonly #parts: GuardParts
  readonly #path: string
  readonly #next: ServerInterceptingCallInterface
  readonly #addresses: ReturnType<ServerInterceptingCallInterface['getConnectionInfo']>

  constructor(parts: GuardParts, path: string, next: ServerInterceptingCallInterface) {
    this.#parts = parts
    this.#path = path
    this.#next = next
    this.#addresses = next.getConnectionInfo()
    this.listener = {
      onReceiveMetadata: (metadata, pass) => this.#decide(metadata, pass),
      onReceiveMessage: (message, pass) => this.#pass(() => pass(message)),
      onReceiveHalfClose: (pass) => this.#pass(pass),
      onCancel: () => undefined,
    }
  }

  #decide(metadata: Metadata, pass: (metadata: Metadata) => void): void {
    const { point, clock, log } = this.#parts
    const call = this.#received(metadata)
    if (call === null || !isStillProven(call, clock())) {
      this.#refuse(REFUSALS.unauthenticated)
      return
    }
    point.decide(call, (outcome) => {
      logDecision(log, call, outcome)
      if (!outcome.isAdmitted) this.#refuse(REFUSALS[outcome.kind])
      // Whatever the rule lets in: the connection proves something, or carries nothing.
      else if (!isStillProven(call, clock())) this.#refuse(REFUSALS.unauthenticated)
      else {
        this.call = call
        this.#pass(() => pass(metadata))
      }
    })
  }

  /** `null` on a connection that no acceptor has let through, or that is gone, and with a chain that is not valid. */
  #received(metadata: Metadata): GrpcCall | null {
    const { connections, chains, log } = this.#parts
    const peer = connections.peerOf(this.#addresses)
    if (peer === undefined) return null
    const verification = chains?.verify(chainFieldsOf(metadata), peer) ?? NO_CHAIN
    if (!verification.ok) {
      const fields = { code: verification.code, spiffeId: peer?.spiffeId.toString() ?? null }
      log.info({ ...fields, route: this.#path }, 'call refused: its chain is not valid')
      return null
    }
    const host: unknown = this.#next.getHost()
    return new ReceivedCall({
      path: this.#path,
      metadata,
      peer,
      chain: verification.chain,
      host: typeof host === 'string' ? host : '',
      remoteAddress: this.#addresses.remoteAddress,
    })
  }

  /** Hands something on once the call is admitted, in its context: events of a connection begin outside of it. */
  #pass(pass: () => void): void {
    const { call } = this
    const { chains } = this.#parts
    if (call === null) return
    if (chains === null) pass()
    else chains.run(call.peer, call.chain, pass)
  }

  #refuse(status: RefusalStatus): void {
    this.#next.sendStatus(status)
  }
}
