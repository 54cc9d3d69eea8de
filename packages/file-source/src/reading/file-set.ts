import type { KeyObject } from 'node:crypto'
import type { TrustDomain } from '@fastify-spiffe/spiffe'
import type { WatchedFile } from '../access/read-safely.ts'
import type { Checksums } from './checksums.ts'

/** A file with bundles. */
export interface BundleFile extends WatchedFile {
  /** Whose bundle it is; `null`: of the trust domain of the SVID, or of those that a Bundle Map in it names. */
  readonly trustDomain: TrustDomain | null
}

/** A manifest: the digests of all files, in a file. */
export interface ManifestFile extends WatchedFile {
  /** The key that has to have signed it, and where the signature is. */
  readonly signed: { readonly key: KeyObject; readonly signature: WatchedFile } | null
}

/** The files of a source. */
export interface FileSet {
  readonly svid: WatchedFile
  readonly key: WatchedFile
  /** At least one. */
  readonly bundles: readonly BundleFile[]
  readonly manifest: ManifestFile | null
  readonly expectedSha256: Checksums
}

/** All files of a set, each once. */
export function filesOf({ svid, key, bundles, manifest }: FileSet): readonly WatchedFile[] {
  const signature = manifest?.signed?.signature
  const all = [svid, key, ...bundles, ...(manifest === null ? [] : [manifest])]
  if (signature !== undefined) all.push(signature)
  const byPath = new Map<string, WatchedFile>()
  for (const file of all) {
    const known = byPath.get(file.path)
    // One file may hold the key and something else.
    const isKey = file.isKey || known?.isKey === true
    byPath.set(file.path, { ...file, name: known?.name ?? file.name, isKey })
  }
  return [...byPath.values()]
}
