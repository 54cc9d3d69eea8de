import type { SpiffeId } from '@fastify-spiffe/spiffe'

/** A subject and who acts for it, as RFC 8693 §4.1 nests them. Derived, for engines and logs; never read from a call. */
export interface CallActor {
  readonly sub: string
  readonly act?: CallActor
}

/** On whose behalf a call is made, verified and frozen. */
export interface CallChain {
  /** The first workload of the chain: the one that the call is made for. */
  readonly origin: SpiffeId
  /** The workloads between the origin and the caller, in order. */
  readonly via: readonly SpiffeId[]
  /** The last workload of the chain: the peer of the connection, which may be a proxy or a relay. */
  readonly caller: SpiffeId
  /** `signed`: each hop has signed for the next; `forwarded`: a proxy says so, and the certificate was verified again. */
  readonly evidence: 'signed' | 'forwarded'
  /** How many workloads, the caller included. */
  readonly depth: number
  /** When the chain ends, in ms since the epoch: the first end of a token or of the trust in a certificate. */
  readonly validUntil: number
  /** The chain in the form of RFC 8693. */
  readonly act: CallActor
}

// Here, because the plugins of `chain` make this decorator, and `authz` reads it.
declare module 'fastify' {
  interface FastifyRequest {
    /**
     * On whose behalf the call is made; `null` where the caller acts for itself. Of the plugins of
     * `@fastify-spiffe/chain`: `undefined` where none is registered.
     */
    readonly chain: CallChain | null
  }
}
