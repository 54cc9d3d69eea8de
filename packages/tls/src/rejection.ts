import type { RefusalCode } from '@fastify-spiffe/spiffe'

/**
 * Why a peer was rejected after the handshake: a code of the verifier, or
 *
 * - `no-certificate`: the peer presented no certificate, and one is required.
 * - `session-resumed`: the peer resumed a session, which carries no chain to verify.
 * - `internal-error`: something threw while the connection was being accepted.
 */
export type RejectionCode = RefusalCode | 'no-certificate' | 'session-resumed' | 'internal-error'

/** Why a peer is rejected, for operators. The peer itself sees only a closed connection. */
export interface Rejection {
  readonly ok: false
  readonly code: RejectionCode
  readonly message: string
}
