import { withoutStack } from '@fastify-spiffe/plugin-kit'
import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** The closed list of what {@link PeerError} can say. */
export type PeerErrorCode =
  /** An option has a value that it cannot take. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** The plugin was registered on this instance, or on one around it, before. */
  | 'already-registered'
  /** Routes carry a rule, and no plugin enforces it. */
  | 'unenforced-rules'
  /** The application was told to listen on a server that proves nobody's identity. */
  | 'not-a-spiffe-server'
  /** The test kit was used in production. */
  | 'test-kit-refused'
  /** A request on a connection whose peer is not proven, or not any more. Status 401. */
  | 'unauthenticated'

/**
 * What this package throws. All but `unauthenticated` fail the boot (or a test); that one refuses a
 * request and reaches the error handler of the application. Tell errors apart by `code`.
 */
export class PeerError extends CodedError<PeerErrorCode> {
  override readonly name = 'PeerError'
  /** The HTTP status of a refusal; absent from all other errors. */
  declare readonly statusCode?: 401

  /** The error of a refused request. It says no reason: that is in the log. */
  static unauthenticated(): PeerError {
    const error = new PeerError('unauthenticated', 'Unauthorized')
    return withoutStack(Object.assign(error, { statusCode: 401 }))
  }
}
