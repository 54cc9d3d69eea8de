import { SpiffeError, TrustDomain } from '@fastify-spiffe/spiffe'
import { CodedError } from '@fastify-spiffe/spiffe/internal'

/**
 * The closed list of what {@link WorkloadApiError} can say.
 *
 * About the call itself:
 * - `unknown-option`: there is no option of that name.
 * - `invalid-option`: an option has a value that makes no sense.
 * - `no-endpoint`: no address was given, and `SPIFFE_ENDPOINT_SOCKET` is not set.
 * - `invalid-endpoint`: the address breaks the rules of SPIFFE_Workload_Endpoint §4.
 * - `timeout`: the endpoint accepted the call and said nothing in time.
 * - `aborted`: the caller's signal ended the wait; its reason is the `cause`.
 * - `closed`: the client or source was closed.
 *
 * What the endpoint answered, or that it did not:
 * - `unreachable`: no connection (no socket, nobody listening, or not a gRPC server).
 * - `unavailable`: the endpoint cannot answer now (any status without a code of its own here).
 * - `no-identity`: `PermissionDenied`: no registration entry matches this workload.
 * - `invalid-request`: `InvalidArgument`: the endpoint calls the request itself invalid. Never retried.
 * - `unimplemented`: a gRPC server, but not one of the Workload API, or not of this part of it.
 *
 * What is wrong with a message; it was not used, and the last good state is kept:
 * - `invalid-message`: it cannot be decoded, or a mandatory field is empty.
 * - `limit-exceeded`: it is larger than the limits allow.
 * - `invalid-svid`: an SVID is malformed, has expired, or is not what its `spiffe_id` field says; a JWT-SVID is not for
 *   those that it was asked for.
 * - `not-yet-valid`: an SVID is good in all but its time, or the time of its issuers. It waits, and is
 *   used when its time has come; the rest of its message counts at once.
 * - `key-mismatch`: a private key does not belong to its SVID.
 * - `untrusted-svid`: an SVID does not verify against the bundle that came with it; a JWT-SVID is of an authority that has
 *   left the bundle.
 * - `invalid-bundle`: a bundle is malformed, or its name is not a trust domain.
 * - `invalid-revocation-list`: a revocation list is malformed, of an unsupported kind, or not
 *   signed by a known authority.
 * - `conflicting-bundles`: two SVIDs of one trust domain came with different bundles.
 * - `no-match`: the message is good, but `pick` or the hint finds no SVID in it.
 *
 * About this package:
 * - `internal`: something failed that is not an answer of the endpoint, such as a damaged
 *   installation; the `cause` says what.
 */
export type WorkloadApiErrorCode =
  | 'unknown-option'
  | 'invalid-option'
  | 'no-endpoint'
  | 'invalid-endpoint'
  | 'timeout'
  | 'aborted'
  | 'closed'
  | 'unreachable'
  | 'unavailable'
  | 'no-identity'
  | 'invalid-request'
  | 'unimplemented'
  | 'invalid-message'
  | 'limit-exceeded'
  | 'invalid-svid'
  | 'not-yet-valid'
  | 'key-mismatch'
  | 'untrusted-svid'
  | 'invalid-bundle'
  | 'invalid-revocation-list'
  | 'conflicting-bundles'
  | 'no-match'
  | 'internal'

/** Everything that this package throws or reports. Never carries a key or the bytes of a message. */
export class WorkloadApiError extends CodedError<WorkloadApiErrorCode> {
  override readonly name = 'WorkloadApiError'
}

/** What an agent may have meant as a SPIFFE ID, so that people see what is wrong with it. */
const LIKE_AN_ID = /^spiffe:\/\/[\x21-\x7e]{1,200}$/i

/** What an agent calls a SPIFFE ID or a trust domain, for an error message. Anything else may be a token or a key. */
export function quote(value: string): string {
  const isShown = LIKE_AN_ID.test(value) || TrustDomain.safeParse(value).ok
  return isShown ? JSON.stringify(value) : `(${value.length} characters)`
}

/**
 * Whatever was caught, as an error of this package. An unexpected error is not blamed on the
 * endpoint.
 */
export function toWorkloadApiError(cause: unknown): WorkloadApiError {
  if (cause instanceof WorkloadApiError) return cause
  return new WorkloadApiError('internal', `an unexpected error, its cause (${nameOf(cause)})`, {
    cause,
  })
}

/** An error with the given code where a parser has refused a part of a message, and `internal` for anything else. */
export function refusal(
  code: WorkloadApiErrorCode,
  message: string,
  cause: unknown,
): WorkloadApiError {
  const isRefused = cause instanceof SpiffeError || cause instanceof WorkloadApiError
  return new WorkloadApiError(isRefused ? code : 'internal', message, { cause })
}

// Not its message, which may quote text that contains a key.
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error
}
