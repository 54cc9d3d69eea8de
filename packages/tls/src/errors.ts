import { CodedError } from '@fastify-spiffe/spiffe/internal'
import type { RejectionCode } from './rejection.ts'

/** All codes of {@link TlsError}. */
export type TlsErrorCode =
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** An option of Node's TLS that would bypass the SVID, the verifier or the ban on resumption. */
  | 'forbidden-option'
  /** The source has no SVID to present. */
  | 'no-svid'
  /** The SVID cannot be used for TLS. */
  | 'invalid-material'
  /** A connection already has its peer, which is bound once. */
  | 'peer-already-bound'
  /** The test kit was used in production, or on a real connection. */
  | 'test-kit-refused'
  /** A request needs a token, and `jwt.tokens` gave none; `cause` is its error, if there is one. The request was not sent. */
  | 'no-token'
  /** The TLS connection failed; `cause` is the error of Node, if there is one. */
  | 'connect-failed'
  /** No verified connection within `timeoutMs`. */
  | 'connect-timeout'
  /** The server proved no SPIFFE ID, and `rejection` says why; or no name to the Web PKI, and `cause` does. */
  | 'server-refused'
  /** The server of the Web PKI has no good OCSP staple, and `cause` has the code and the message of the verifier. */
  | 'staple-refused'
  /** The server proved a SPIFFE ID that the option `server` does not match. */
  | 'server-not-allowed'

/** What an error of this package may carry besides its message. */
export interface TlsErrorOptions extends ErrorOptions {
  /** Why the server was refused, with the code `server-refused`. Default: none, as with `webPki()`. */
  readonly rejection?: RejectionCode
}

/** Every error that this package throws. Distinguish errors by `code`. */
export class TlsError extends CodedError<TlsErrorCode> {
  override readonly name = 'TlsError'
  /** With `server-refused`: why the proof failed; otherwise `undefined`. */
  readonly rejection: RejectionCode | undefined

  constructor(code: TlsErrorCode, message: string, options: TlsErrorOptions = {}) {
    super(code, message, options)
    this.rejection = options.rejection
  }
}
