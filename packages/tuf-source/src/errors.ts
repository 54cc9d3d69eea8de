import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** The repository did not answer. It is asked again soon. */
export type NetworkFaultCode =
  /** There was no connection, or it broke; `cause` is the error of Node. */
  | 'unreachable'
  /** The answer did not come in time. */
  | 'timeout'
  /** The repository answered with a status that is no file. */
  | 'unexpected-status'

/** What the repository sent is not what its keys vouch for. It is not asked again before the next refresh. */
export type IntegrityFaultCode =
  /** A file is larger than the metadata says, or than is ever read. */
  | 'too-large'
  /** Metadata cannot be read, or can be read in two ways. */
  | 'invalid-metadata'
  /** Metadata is not signed by as many keys of its role as it has to be. */
  | 'bad-signature'
  /** Metadata is older than what was seen before. */
  | 'rollback'
  /** Metadata has another version than the metadata that names it. */
  | 'version-mismatch'
  /** A file has another hash or length than the metadata says. */
  | 'hash-mismatch'
  /** Metadata has expired. */
  | 'expired'

/** A target is refused. What was held of it stays in use. */
export type TargetFaultCode =
  /** The repository has no such target. */
  | 'no-target'
  /** The target holds a private key. Everybody who can reach the repository has that key now: replace it. */
  | 'private-key'
  /** The target is not a bundle, or not a bundle map. */
  | 'invalid-target'
  /** A bundle map has a bundle that it may not have. */
  | 'foreign-trust-domain'
  /** A bundle has a lower sequence than the one that is held. */
  | 'older-sequence'
  /** A bundle has no X.509 authority, and `allowEmptyBundles` is not set. */
  | 'no-authorities'

/** Something is wrong with this machine. */
export type LocalFaultCode =
  /** The directory is open to others, or cannot be used. */
  | 'unsafe-directory'
  /** Another process uses the directory. */
  | 'directory-in-use'
  /** The file with the root cannot be read. */
  | 'root-unreadable'
  /** The file with the root has another SHA-256 than was given. */
  | 'root-mismatch'
  /** The file with the root is not root metadata that its own keys have signed. */
  | 'invalid-root'
  /** What was stored is damaged. It was set aside, and the source begins with the root that was given. */
  | 'corrupt-state'
  /** What is in use was not stored. */
  | 'store-failed'
  /** The clock is behind a time that was seen before. That time counts, so that nothing lives again. */
  | 'clock-set-back'
  /** Something else failed; `cause` says what. */
  | 'internal'

/** Why a refresh, or a part of one, failed. */
export type TufFailureCode =
  | NetworkFaultCode
  | IntegrityFaultCode
  | TargetFaultCode
  | LocalFaultCode

/** All codes of {@link TufError}. */
export type TufErrorCode =
  | TufFailureCode
  /** An option that does not exist. */
  | 'unknown-option'
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** `close()` was called. */
  | 'closed'
  /** A command for a repository cannot be done; the message says why. */
  | 'invalid-repository'

/** Every error that this package makes. Distinguish errors by `code`. */
export class TufError extends CodedError<TufErrorCode> {
  override readonly name = 'TufError'
}

const NETWORK: ReadonlySet<string> = new Set<NetworkFaultCode>([
  'unreachable',
  'timeout',
  'unexpected-status',
])

/** Whether it is worth asking again soon. */
export function isNetworkFault({ code }: TufError): boolean {
  return NETWORK.has(code)
}
