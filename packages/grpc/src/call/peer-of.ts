import type { CallChain } from '@fastify-spiffe/policy'
import { isCurrent, type ConnectionPeer } from '@fastify-spiffe/tls'
import type { GrpcCall } from './grpc-call.ts'

// Among what `getAuthContext()` says, which reaches handlers through all interceptors.
const RECEIVED: unique symbol = Symbol('spiffe.grpc.call')

/** What `getAuthContext()` of a guarded call returns. */
export interface GuardedAuthContext {
  readonly transportSecurityType: string
  readonly [RECEIVED]: GrpcCall | null
}

/** Any call that handlers of `@grpc/grpc-js` get, of all four kinds. */
export interface HandledCall {
  getAuthContext(): object
}

/** Makes the authentication context of a call. It holds no certificate: reading one again would prove nothing. */
export function authContextOf(call: GrpcCall | null): GuardedAuthContext {
  return { transportSecurityType: 'ssl', [RECEIVED]: call }
}

/** Returns what is known of a call that a `GrpcServer` has admitted; `undefined` for any other. */
export function grpcCallOf(call: HandledCall): GrpcCall | undefined {
  const received: unknown = Reflect.get(call.getAuthContext(), RECEIVED)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only `authContextOf` has the symbol
  return received == null ? undefined : (received as GrpcCall)
}

/**
 * Returns the verified caller of a call, in a handler.
 *
 * - a `ConnectionPeer`: proven at the handshake, the same object for all calls of a connection;
 * - `null`: the connection was accepted without a certificate (`tls: { clientCertificate: 'optional' }`);
 * - `undefined`: no `GrpcServer` of this package has admitted the call: treat it as unproven.
 *
 * @param call what the handler gets, of any of the four kinds of methods
 */
export function peerOf(call: HandledCall): ConnectionPeer | null | undefined {
  return grpcCallOf(call)?.peer
}

/** Returns the chain of a call, in a handler; `null` where the caller acts for itself, and without the option `chains`. */
export function chainOf(call: HandledCall): CallChain | null {
  return grpcCallOf(call)?.chain ?? null
}

/** Whether the proof of the caller still holds; a connection without a certificate has nothing that could end. */
export function isStillProven({ peer }: GrpcCall, now: number): boolean {
  return peer === null || isCurrent(peer, now)
}
