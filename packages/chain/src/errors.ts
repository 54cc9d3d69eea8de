import { withoutStack } from '@fastify-spiffe/plugin-kit'
import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** All codes of {@link ChainError}. */
export type ChainErrorCode =
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** The plugin is already registered on this instance, or on one that encloses it. */
  | 'already-registered'
  /** `authz` was registered before the plugin, and would decide without the chain. */
  | 'registered-late'
  /** A request whose chain is not valid. Status 401. */
  | 'unauthenticated'
  /** The audience is not the SPIFFE ID of one workload. */
  | 'invalid-audience'
  /** The request that a token is to be bound to has no method or no target, or not as on the wire. */
  | 'invalid-request'
  /** The chain to continue is not one that this package has verified, but a copy, say. */
  | 'invalid-chain'
  /** The option `handTo` does not name the audience: whoever receives a token may act for this service. */
  | 'not-handed-to'
  /** There is no SVID to sign with, or it ends within seconds. */
  | 'no-svid'
  /** The key of the SVID is neither on P-256 nor on P-384. */
  | 'key-unsupported'
  /** The chain of the call has ended, or ends within seconds. */
  | 'chain-expired'
  /** The chain has four hops already. */
  | 'chain-too-deep'
  /** The headers would be larger than receivers accept. */
  | 'chain-too-large'
  /** The test kit was used in production. */
  | 'test-kit-refused'
  /** There is no call: `chainHeaders` was called outside of a request. */
  | 'no-context'

/**
 * Every error of this package. `unauthenticated` refuses a request, and is passed to the error handler of the
 * application; the others are thrown at boot, or to those who make headers. Distinguish errors by `code`.
 */
export class ChainError extends CodedError<ChainErrorCode> {
  override readonly name = 'ChainError'
  /** 401 with `unauthenticated`; absent from all other errors. */
  declare readonly statusCode?: 401

  /** Makes the error of a refused request. It contains no reason, which is in the log. */
  static unauthenticated(): ChainError {
    const error = new ChainError('unauthenticated', 'Unauthorized')
    return withoutStack(Object.assign(error, { statusCode: 401 }))
  }
}
