import { CodedError } from '@fastify-spiffe/spiffe/internal'

/**
 * The closed list of what {@link FileSourceError} can say.
 *
 * About the call itself:
 * - `unknown-option`: there is no option of that name.
 * - `invalid-option`: an option has a value that makes no sense.
 * - `timeout`: the file system did not answer in time.
 * - `aborted`: the caller's signal ended the wait; its reason is the `cause`.
 * - `closed`: the source was closed.
 *
 * What is wrong with the files; the last good state stays in use, and they are read again:
 * - `unreadable`: a file does not exist, or this user may not read it.
 * - `not-a-file`: a path leads to a folder, a pipe or a device.
 * - `too-large`: a file has more than `maxFileBytes`.
 * - `key-exposed`: others than the owner of the key may read it.
 * - `world-writable`: everybody may change a file, or a folder on the way to it.
 * - `foreign-owner`: a file, or a folder on the way to it, belongs neither to this user nor to root.
 * - `link-leaves-folder`: a symbolic link in the folder of a file leads out of that folder.
 * - `checksum-mismatch`: a file is not the one that `expectedSha256` or the manifest means.
 * - `invalid-manifest`: the manifest is malformed, does not name all files, or is not signed by the given key.
 * - `unsettled`: the files changed while they were read.
 *
 * What is wrong with what is in them; the same holds:
 * - `invalid-svid`: the certificates are malformed, are no X.509-SVID, or have expired.
 * - `invalid-key`: the private key is malformed or encrypted.
 * - `key-mismatch`: the private key is not that of the certificate. So it is for a moment while both are replaced.
 * - `untrusted-svid`: the SVID does not verify against the bundle of its trust domain, or there is none.
 * - `not-yet-valid`: the SVID is good in all but its time, or the time of its issuers. It is taken when that has come.
 * - `invalid-bundle`: a bundle is malformed.
 * - `conflicting-bundles`: two files have different bundles of one trust domain.
 *
 * About this package:
 * - `internal`: something else failed; the `cause` says what.
 */
export type FileSourceErrorCode =
  | 'unknown-option'
  | 'invalid-option'
  | 'timeout'
  | 'aborted'
  | 'closed'
  | 'unreadable'
  | 'not-a-file'
  | 'too-large'
  | 'key-exposed'
  | 'world-writable'
  | 'foreign-owner'
  | 'link-leaves-folder'
  | 'checksum-mismatch'
  | 'invalid-manifest'
  | 'unsettled'
  | 'invalid-svid'
  | 'invalid-key'
  | 'key-mismatch'
  | 'untrusted-svid'
  | 'not-yet-valid'
  | 'invalid-bundle'
  | 'conflicting-bundles'
  | 'internal'

/** Everything that this package throws or reports. Never carries a key or the content of a file. */
export class FileSourceError extends CodedError<FileSourceErrorCode> {
  override readonly name = 'FileSourceError'
}

/** Whatever was caught, as an error of this package. */
export function toFileSourceError(cause: unknown): FileSourceError {
  if (cause instanceof FileSourceError) return cause
  // Not its message, which may quote what was read.
  const name = cause instanceof Error ? cause.name : typeof cause
  return new FileSourceError('internal', `an unexpected error, its cause (${name})`, { cause })
}
