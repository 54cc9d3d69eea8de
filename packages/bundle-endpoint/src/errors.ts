import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** All codes of {@link BundleEndpointError}. */
export type BundleEndpointErrorCode =
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** The profile is `https_spiffe`, and the server was not made by `spiffeServer`. */
  | 'not-a-spiffe-server'
  /** The profile is `https_spiffe`, and the server requires certificates of its clients. */
  | 'clients-need-certificates'
  /** The profile is `https_web`, and the server presents an SVID. */
  | 'not-a-web-server'
  /** The profile is `https_web`, and the server speaks plain HTTP. */
  | 'plain-http'
  /** Nothing says which trust domain is the own one: the source has no SVID. */
  | 'no-trust-domain'
  /** The option `trustDomain` names another trust domain than the SVID of the source. */
  | 'foreign-trust-domain'
  /** The sequence file cannot be read, or is that of another trust domain. */
  | 'invalid-sequence-file'

/** Every error of this package, always while the application boots. Distinguish errors by `code`. */
export class BundleEndpointError extends CodedError<BundleEndpointErrorCode> {
  override readonly name = 'BundleEndpointError'
}
