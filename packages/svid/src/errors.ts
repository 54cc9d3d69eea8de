import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** The closed list of what {@link SvidPluginError} can say. */
export type SvidPluginErrorCode =
  /** An option has a value that it cannot take, or contradicts another one. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** The plugin was registered on this instance, or on one around it, before. */
  | 'already-registered'
  /** Routes carry a rule, and no plugin enforces it. */
  | 'unenforced-rules'
  /** The server of this application was not made by `spiffeServer`. */
  | 'not-a-spiffe-server'
  /** The server of this application takes its SVID from another source. */
  | 'source-mismatch'

/** What this package throws, always while the application boots. Tell errors apart by `code`. */
export class SvidPluginError extends CodedError<SvidPluginErrorCode> {
  override readonly name = 'SvidPluginError'
}
