import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** All codes of {@link OcspError}. */
export type OcspErrorCode =
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** The server presents an SVID, which has no responder. */
  | 'svid-server'
  /** The server speaks plain HTTP. */
  | 'plain-http'
  /** The certificate of the server is not known: it was given neither to the server nor as an option, or cannot be read. */
  | 'no-certificate'
  /** The certificate of the issuer is neither in the chain nor in the option `issuer`. */
  | 'no-issuer'
  /** The certificate names no responder, and `responderUrl` is not set. */
  | 'no-responder'
  /** Something else answers `OCSPRequest` of this server: only one can. */
  | 'already-stapled'
  /** The certificate demands a staple, and there is none at the start. */
  | 'no-staple'
  /** The stapler was closed. */
  | 'closed'

/** Every error of this package. Distinguish errors by `code`. */
export class OcspError extends CodedError<OcspErrorCode> {
  override readonly name = 'OcspError'
}
