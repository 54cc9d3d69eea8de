import type { TufErrorCode } from './errors.ts'

/** Something that failed. */
export interface TufFailure {
  readonly code: TufErrorCode
  readonly message: string
  /** The path of the target that it is about; `null` when it is about all. */
  readonly target: string | null
  /** In ms since the epoch. */
  readonly at: number
}

/** Where a target that is held came from. */
export type TargetOrigin =
  /** The directory. */
  | 'stored'
  /** The repository. */
  | 'fetched'

/** The state of one target. A snapshot: it does not change. */
export interface TargetStatus {
  readonly path: string
  readonly kind: 'bundle' | 'bundle-map' | 'file'
  /**
   * - `starting`: nothing of it is held yet.
   * - `ready`: the last refresh has brought it, or found it unchanged.
   * - `stale`: the last refresh that came so far has refused it, or has not found it. What is held stays in use.
   */
  readonly state: 'starting' | 'ready' | 'stale'
  readonly origin: TargetOrigin | null
  /** The names of the trust domains of which it has a bundle. */
  readonly trustDomains: readonly string[]
  /** The version of the metadata that lists what is held; `null` when there is nothing. */
  readonly version: number | null
  /** SHA-256 of what is held, in hexadecimal; `null` when there is nothing. */
  readonly sha256: string | null
  /** Why it was refused last; `null` if it never was. */
  readonly lastFailure: TufFailure | null
}

/** The state of a source. A snapshot: it does not change. */
export interface TufStatus {
  /** The version of the root that is trusted. */
  readonly rootVersion: number | null
  /** The version of the timestamp that is held; `null` before there is one. */
  readonly timestampVersion: number | null
  /** When that expires, in ms since the epoch. */
  readonly timestampExpiresAt: number | null
  /** When all metadata was verified last, in ms since the epoch; `null` if it never was. */
  readonly verifiedAt: number | null
  /** When the next bundle stops to count unless a refresh verifies it before, in ms since the epoch. */
  readonly expiresAt: number | null
  /** How many refreshes have failed since the last one that did not. */
  readonly failures: number
  /** The last failure; `null` if there was none. */
  readonly lastFailure: TufFailure | null
  /** Why the state is not in the directory; `null` when it is. */
  readonly storeFailure: TufFailure | null
  /** When the next refresh is due, in ms since the epoch; `null` while one runs. */
  readonly nextRefreshAt: number | null
  readonly targets: readonly TargetStatus[]
}

/** A file that the repository has signed. */
export interface SignedFile {
  /** Its path in the repository. */
  readonly path: string
  /** Where a copy of it is, whose name does not change: for what reads files, such as the option `policy` of `authz`. */
  readonly location: string
  readonly bytes: Buffer
  /** The version of the metadata that lists it. It never goes down. */
  readonly version: number
  /** SHA-256 of `bytes`, in hexadecimal. */
  readonly sha256: string
}
