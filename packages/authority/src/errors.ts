import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** The closed list of what {@link AuthorityError} can say. */
export type AuthorityErrorCode =
  | 'not-for-production'
  | 'unknown-option'
  | 'invalid-option'
  | 'foreign-spiffe-id'
  | 'unmintable'
  | 'unknown-authority'
  | 'authority-not-prepared'
  | 'authority-active'
  | 'own-trust-domain'
  | 'no-identity'
  | 'unavailable'
  | 'invalid-socket-path'
  | 'socket-in-use'
  | 'closed'

/** What the embedded authority refuses. Distinguish errors by `code`. */
export class AuthorityError extends CodedError<AuthorityErrorCode> {
  override readonly name = 'AuthorityError'
}
