import { createHash } from 'node:crypto'
import type { PublicKeyEntry } from './signing-key.ts'

/** The four roles that each repository has. */
export const ROLES = ['root', 'targets', 'snapshot', 'timestamp'] as const
/** One of the four roles. */
export type RoleName = (typeof ROLES)[number]

/** Who signs for a role. */
export interface RoleKeys {
  readonly keyids: readonly string[]
  readonly threshold: number
}

interface Signed {
  readonly spec_version: string
  readonly version: number
  readonly expires: string
}

/** TUF specification §4.3 */
export interface RootMetadata extends Signed {
  readonly _type: 'root'
  readonly consistent_snapshot: boolean
  readonly keys: Readonly<Record<string, PublicKeyEntry>>
  readonly roles: Readonly<Record<RoleName, RoleKeys>>
}

/** What metadata says of a file. */
export interface FileEntry {
  readonly length: number
  readonly hashes: { readonly sha256: string }
}

/** §4.4, §4.6: a snapshot names metadata of targets, a timestamp names the snapshot. */
export interface IndexMetadata extends Signed {
  readonly _type: 'snapshot' | 'timestamp'
  readonly meta: Readonly<Record<string, FileEntry & { readonly version: number }>>
}

/** §4.5 */
export interface TargetsMetadata extends Signed {
  readonly _type: 'targets'
  readonly targets: Readonly<Record<string, FileEntry>>
}

/** What all metadata of this package begins with. */
export function signedPart(version: number, expiresAt: number): Signed {
  return {
    spec_version: '1.0.31',
    version,
    expires: new Date(expiresAt).toISOString().replace(/\.\d+Z$/, 'Z'),
  }
}

/** The entry of a file. */
export function fileEntry(bytes: Uint8Array | string): FileEntry {
  return {
    length: Buffer.byteLength(bytes),
    hashes: { sha256: createHash('sha256').update(bytes).digest('hex') },
  }
}
