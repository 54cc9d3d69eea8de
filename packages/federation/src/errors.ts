import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** Why a bundle was not fetched. What was held before stays in use. */
export type FetchFailureCode =
  /** There is no bundle to verify the endpoint with: none of the trust domain of its SPIFFE ID is held, or an empty one. */
  | 'endpoint-not-trusted'
  /** The endpoint did not prove its SPIFFE ID, or its name to the Web PKI; `cause` says why. */
  | 'endpoint-refused'
  /** There was no connection, or it broke; `cause` is the error of Node. */
  | 'unreachable'
  /** The bundle did not come within `timeoutMs`. */
  | 'timeout'
  /** The endpoint answered with a status that is neither a bundle nor a redirect that is followed. */
  | 'unexpected-status'
  /** A redirect leads to what is not the URL of an endpoint, or is one too many. */
  | 'invalid-redirect'
  /** The answer is larger than `maxBundleBytes`. */
  | 'too-large'
  /** The answer is not a bundle in the SPIFFE bundle format, or is encoded. */
  | 'invalid-bundle'
  /** The bundle does not fit into `maxTotalBytes` beside those of other trust domains. */
  | 'total-too-large'
  /** The bundle has a lower sequence than the one that is held. */
  | 'older-sequence'
  /** Something else failed; `cause` says what. */
  | 'internal'

/** All codes of {@link FederationError}. */
export type FederationErrorCode =
  | FetchFailureCode
  /** An option that does not exist. */
  | 'unknown-option'
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** The trust domain is followed already. */
  | 'already-followed'
  /** The trust domain is not followed, or no more. */
  | 'not-followed'
  /** The endpoint is of the trust domain that it serves the bundle of, and no bundle of it was given or is stored. */
  | 'no-initial-bundle'
  /** The directory for the bundles cannot be used, or is open to others. */
  | 'unsafe-directory'
  /** A stored bundle cannot be read, and is ignored. */
  | 'invalid-stored-bundle'
  /** A bundle was not stored; it is in use. */
  | 'store-failed'
  /** `close()` was called. */
  | 'closed'

/** Every error that this package makes. Distinguish errors by `code`. */
export class FederationError extends CodedError<FederationErrorCode> {
  override readonly name = 'FederationError'
}

/** Why a fetch failed. */
export class FetchFailure extends FederationError {
  declare readonly code: FetchFailureCode

  // oxlint-disable-next-line no-useless-constructor -- narrows the codes
  constructor(code: FetchFailureCode, message: string, options?: ErrorOptions) {
    super(code, message, options)
  }
}
