import { CodedError } from './coded-error.ts'

/** The closed list of what {@link SpiffeError} can say. Verification of peers has its own: `RefusalCode`. */
export type SpiffeErrorCode =
  | 'invalid-trust-domain'
  | 'invalid-spiffe-id'
  | 'invalid-pattern'
  | 'invalid-der'
  | 'invalid-pem'
  | 'invalid-certificate'
  | 'invalid-svid'
  | 'invalid-key'
  | 'key-mismatch'
  | 'invalid-bundle'
  | 'duplicate-trust-domain'
  | 'invalid-revocation-list'
  | 'unsupported-revocation-list'
  | 'invalid-revocation-policy'
  | 'invalid-json'
  | 'unknown-option'
  | 'invalid-option'
  | 'source-closed'

/** An input that the SPIFFE standards do not allow. Programs distinguish errors by `code`. */
export class SpiffeError extends CodedError<SpiffeErrorCode> {
  override readonly name = 'SpiffeError'
}

/** The outcome of a parse that does not throw. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: SpiffeError }
