import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** All codes of {@link SvidPluginError}. */
export type SvidPluginErrorCode =
  /** An option has a value that is not allowed, or contradicts another option. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** The plugin is already registered on this instance, or on one that encloses it. */
  | 'already-registered'
  /** Routes have a rule (`config.spiffe`) that no plugin enforces. */
  | 'unenforced-rules'
  /** The server of this application was not made by `spiffeServer`. */
  | 'not-a-spiffe-server'
  /** The server of this application takes its SVID from another source. */
  | 'source-mismatch'

/** Every error that this package throws, always while the application boots. Distinguish errors by `code`. */
export class SvidPluginError extends CodedError<SvidPluginErrorCode> {
  override readonly name = 'SvidPluginError'
}
