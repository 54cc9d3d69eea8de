import type { RejectionCode } from './peer/rejection.ts'

/** The closed list of what {@link TlsError} can say. */
export type TlsErrorCode =
  /** An option has a value that it cannot take. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** An option of Node's TLS that would bypass the SVID, the verifier or the ban on resumption. */
  | 'forbidden-option'
  /** The source has no SVID that may be presented now. */
  | 'no-svid'
  /** The SVID cannot be put on the wire. */
  | 'invalid-material'
  /** A peer is bound to its connection once. */
  | 'peer-already-bound'
  /** The test kit was used in production, or on a real connection. */
  | 'test-kit-refused'
  /** No TLS connection came about; `cause` says why. */
  | 'connect-failed'
  /** No verified connection within `timeoutMs`. */
  | 'connect-timeout'
  /** The server did not prove a SPIFFE ID; `rejection` says why. */
  | 'server-refused'
  /** The server proved a SPIFFE ID, and it is not one that the caller wants to talk to. */
  | 'server-not-allowed'

export interface TlsErrorOptions extends ErrorOptions {
  readonly rejection?: RejectionCode
}

/** What this package throws. Tests and callers tell errors apart by `code`. */
export class TlsError extends Error {
  override readonly name = 'TlsError'
  readonly code: TlsErrorCode
  /** Set with `server-refused`: why the proof failed. */
  readonly rejection: RejectionCode | undefined

  constructor(code: TlsErrorCode, message: string, options: TlsErrorOptions = {}) {
    super(message, options)
    this.code = code
    this.rejection = options.rejection
  }
}
