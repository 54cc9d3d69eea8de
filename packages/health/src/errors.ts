import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** All codes of {@link HealthError}. */
export type HealthErrorCode =
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** The server was not made by `spiffeServer`, and no source was given. */
  | 'no-source'
  /** The plugin is registered on the application, or on an instance that encloses it. */
  | 'already-registered'
  /** The port of the probes cannot be opened. */
  | 'cannot-listen'

/** Every error of this package, always while the application boots. Distinguish errors by `code`. */
export class HealthError extends CodedError<HealthErrorCode> {
  override readonly name = 'HealthError'
}
