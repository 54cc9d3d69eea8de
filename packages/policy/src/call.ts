import type { SpiffeId, SubjectAltNames } from '@fastify-spiffe/spiffe'

/** One call of whatever transport carries it, such as a request of Fastify. Only its {@link CallReader} looks into it. */
export type Call = object

/** How a caller is proven: by the certificate of its connection, or by a token that whoever has it can use. */
export type CallerProof = 'x509-svid' | 'jwt-svid'

/** Who calls, proven. */
export interface Caller {
  readonly spiffeId: SpiffeId
  /** Of the certificate: lower-case hexadecimal, without leading zeros. `null` where a token has proven who calls. */
  readonly serialNumber: string | null
  /** SHA-256 of the certificate, as `node:crypto` writes it. `null` where a token has proven who calls. */
  readonly fingerprint256: string | null
  /** How; absent where that is not known, and no demand for a proof is met. `test-kit` stands for a certificate, in tests. */
  readonly proof?: CallerProof | 'test-kit'
  /** When the SVID expires, in milliseconds since the epoch. */
  readonly notAfter: number
  /**
   * The names of the verified certificate by which the caller was proven. Absent or `null` where there is none, or they cannot be
   * read: the caller then meets no demand for a name.
   */
  readonly subjectAltNames?: SubjectAltNames | null
}

/** On whose behalf a call is made, verified. The last of the chain is the {@link Caller}. */
export interface CallChain {
  /** The workload that the call is made for. */
  readonly origin: SpiffeId
  /** The workloads between it and the caller, in order. */
  readonly via: readonly SpiffeId[]
  /** `signed`: each workload has signed for the next; `forwarded`: a proxy says who its client is. */
  readonly evidence: 'signed' | 'forwarded'
  /** When it ends, in milliseconds since the epoch: no decision by it lives longer. */
  readonly validUntil: number
}

/** How many workloads a call has come from, the caller included. A caller that acts for itself may have said so by a chain. */
export function chainDepth(caller: SpiffeId, { origin, via }: CallChain): number {
  return via.length + (via.length === 0 && origin.equals(caller) ? 1 : 2)
}

/**
 * The value of an attribute of a call: `undefined` where the call has none; `null` where it has no single value, or one
 * that two readers could understand differently. Such a call is refused.
 */
export type CallValue = string | undefined | null

/** What a route is known by when a rule is compiled for it. */
export interface RouteName {
  /** The URL pattern of the route. */
  readonly url: string
  /** Whether the rule is of no route in particular, and may name the parameters of any. */
  readonly isOfAnyRoute: boolean
}

/**
 * Reads the calls of one transport. It keeps no state and is given once, so that deciding a call allocates nothing for it. Nothing
 * of it may throw.
 *
 * @typeParam C - what the transport hands over for a call
 */
export interface CallReader<C extends Call = Call> {
  /** Who calls; `null` for a caller without identity. The same object for all calls of a connection. */
  caller(call: C): Caller | null
  /**
   * On whose behalf the call is made; `null`: the caller acts for itself. Absent where calls carry no chain: no rule can
   * then name an origin.
   */
  chain?(call: C): CallChain | null
  method(call: C): string
  /** The URL pattern of the route; `null` for a call that matches none. */
  route(call: C): string | null
  /** Where the call comes from, for the decision log. */
  remoteAddress(call: C): string
  /** Tells calls apart, for the decision log. */
  id(call: C): string
  /** The attributes that calls carry by themselves, such as `host` (`single`) and `headers.<name>` (`group`). */
  readonly attributes: ReadonlyMap<string, 'single' | 'group'>
  /**
   * Reads one of {@link attributes}.
   *
   * @param name - within the group; empty for a single attribute
   */
  attribute(call: C, group: string, name: string): CallValue
  /** Why no rule of a route may read an attribute of a group, such as a parameter that the route lacks; `null`: it may. */
  problemWith(group: string, name: string, route: RouteName): string | null
}
