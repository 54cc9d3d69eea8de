import { withoutStack } from '@fastify-spiffe/plugin-kit'
import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** All codes of {@link PeerError}. */
export type PeerErrorCode =
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** The plugin is already registered on this instance, or on one that encloses it. */
  | 'already-registered'
  /** Routes have a rule (`config.spiffe`) that no plugin enforces. */
  | 'unenforced-rules'
  /** `listen()` was called on a server that was not made by `spiffeServer`, and so proves no peer. */
  | 'not-a-spiffe-server'
  /** `listen()` was called on plain HTTP, where everybody on the way can read and use the tokens of callers. */
  | 'plaintext-server'
  /** The test kit was used in production. */
  | 'test-kit-refused'
  /** A request whose caller is not proven, or no longer, or that has a token which is not good. Status 401. */
  | 'unauthenticated'

/**
 * Every error of this package. `unauthenticated` refuses a request, and is passed to the error handler of
 * the application; all others are thrown at boot, or by the test kit. Distinguish errors by `code`.
 */
export class PeerError extends CodedError<PeerErrorCode> {
  override readonly name = 'PeerError'
  /** 401 with `unauthenticated`; absent from all other errors. */
  declare readonly statusCode?: 401

  /** Makes the error of a refused request. It contains no reason, which is in the log. */
  static unauthenticated(): PeerError {
    const error = new PeerError('unauthenticated', 'Unauthorized')
    return withoutStack(Object.assign(error, { statusCode: 401 }))
  }
}
