import { CodedError } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from '@fastify-spiffe/tls'

/** All codes of {@link FetchError}. */
export type FetchErrorCode =
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** An option that does not exist. */
  | 'unknown-option'
  /** The URL, or the one that a redirect leads to, is not of the scheme `https:`. */
  | 'not-https'
  /** The request was still running when the time ran out that its connection had to end. */
  | 'connection-retired'
  /** The dispatcher was closed. */
  | 'closed'

/** Every error that this package makes itself. Distinguish errors by `code`. */
export class FetchError extends CodedError<FetchErrorCode> {
  override readonly name = 'FetchError'
}

/** `fetch` wraps an error once, and few wrappers are known to do so more than twice. */
const MAX_DEPTH = 8

/**
 * Returns the error of this package or of `@fastify-spiffe/tls` that made a request fail: `error` itself or one of its
 * causes, for `fetch` rejects with a `TypeError` whose `cause` is the reason. `undefined` when there is none.
 */
export function codedErrorOf(error: unknown): FetchError | TlsError | undefined {
  let current = error
  for (let depth = 0; depth < MAX_DEPTH && current instanceof Error; depth++) {
    if (current instanceof FetchError || current instanceof TlsError) return current
    current = current.cause
  }
  return undefined
}
