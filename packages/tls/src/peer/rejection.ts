import type { RefusalCode } from '@fastify-spiffe/spiffe'

/**
 * Why a peer was turned away after the handshake: what the verifier says of its chain, or
 *
 * - `no-certificate`: it presented none, and one is required.
 * - `session-resumed`: it resumed a session; resumed sessions carry no chain to verify.
 * - `internal-error`: something threw while the connection was taken in.
 */
export type RejectionCode = RefusalCode | 'no-certificate' | 'session-resumed' | 'internal-error'

/** A refusal of a peer, with the reason for operators. The peer itself sees a closed connection. */
export interface Rejection {
  readonly ok: false
  readonly code: RejectionCode
  readonly message: string
}
