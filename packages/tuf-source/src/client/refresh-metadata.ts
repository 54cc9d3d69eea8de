import { TufError } from '../errors.ts'
import type { FetchFile } from '../fetch/request.ts'
import { TrustedSet } from '../metadata/trusted-set.ts'

/**
 * Metadata that was verified, by role. While a refresh runs, each role is put in as soon as it is verified, so that what
 * was learnt is kept when a later step fails.
 */
export type MetadataFiles = Map<string, Buffer>

/** Where metadata comes from. */
export interface MetadataParts {
  readonly files: MetadataFiles
  /** The folder of the metadata. */
  readonly url: URL
  readonly fetch: FetchFile
  /** What counts as the time, in ms since the epoch. */
  readonly now: number
}

/** Octets of metadata: no more is ever read, whatever other metadata says. */
const MAX_BYTES = {
  root: 512_000,
  timestamp: 16_384,
  snapshot: 2_000_000,
  targets: 5_000_000,
} as const
/** How many roots may follow each other in one refresh. */
const MAX_ROOT_ROTATIONS = 256

/**
 * Brings the four roles up to date, as the client workflow says (TUF specification 1.0, §5).
 * @throws {@link TufError} `invalid-root`, a code of network, a code of integrity
 */
export async function refreshMetadata(parts: MetadataParts): Promise<TrustedSet> {
  const root = parts.files.get('root')
  if (root === undefined) throw new TufError('invalid-root', 'there is no trusted root')
  const set = new TrustedSet(root, parts.now)
  await refreshRoot(set, parts)
  set.assertRootIsFresh(parts.now)
  await refreshTimestamp(set, parts)
  await refreshSnapshot(set, parts)
  await loadTargets(set, 'targets', 'root', parts)
  return set
}

/** §5.3: one version after the other, each signed by the keys of the one before, and by its own. */
async function refreshRoot(set: TrustedSet, { files, url, fetch }: MetadataParts): Promise<void> {
  for (let count = 0; count < MAX_ROOT_ROTATIONS; count++) {
    const bytes = await fetch(new URL(`${set.rootVersion + 1}.root.json`, url), MAX_BYTES.root)
    if (bytes === null) return
    set.updateRoot(bytes)
    files.set('root', bytes)
  }
}

/** §5.4 */
async function refreshTimestamp(set: TrustedSet, parts: MetadataParts): Promise<void> {
  const { files, url, fetch } = parts
  const stored = files.get('timestamp')
  // One that has expired, or whose key was replaced, counts no more; it still was seen, if it can be verified.
  if (stored !== undefined) ignoreFaults(() => set.updateTimestamp(stored))
  const bytes = present(
    'timestamp',
    await fetch(new URL('timestamp.json', url), MAX_BYTES.timestamp),
  )
  if (set.updateTimestamp(bytes)) files.set('timestamp', bytes)
}

/** §5.5 */
async function refreshSnapshot(set: TrustedSet, parts: MetadataParts): Promise<void> {
  const { files, url, fetch } = parts
  const stored = files.get('snapshot')
  const isCurrent =
    stored !== undefined && ignoreFaults(() => set.updateSnapshot(stored, true)) === null
  if (isCurrent) return
  const { version, length } = set.namedSnapshot
  const name = set.isConsistentSnapshot ? `${version}.snapshot.json` : 'snapshot.json'
  const bytes = await fetch(new URL(name, url), limit(length, MAX_BYTES.snapshot))
  const found = present('snapshot', bytes)
  set.updateSnapshot(found, false)
  files.set('snapshot', found)
}

/**
 * §5.6: loads the metadata of a role for targets, from what is stored or from the repository.
 * @throws {@link TufError} a code of network, a code of integrity
 */
export async function loadTargets(
  set: TrustedSet,
  role: string,
  delegator: string,
  parts: Omit<MetadataParts, 'now'>,
): Promise<void> {
  if (set.has(role)) {
    set.assertDelegated(role, delegator)
    return
  }
  const { files, url, fetch } = parts
  const named = set.namedTargets(role)
  const stored = files.get(role)
  const isCurrent =
    stored !== undefined && ignoreFaults(() => set.updateTargets(stored, role, delegator)) === null
  if (isCurrent) return
  const prefix = set.isConsistentSnapshot ? `${named.version}.` : ''
  const file = metadataUrl(url, `${prefix}${encodeRole(role)}.json`)
  const bytes = present('targets', await fetch(file, limit(named.length, MAX_BYTES.targets)))
  set.updateTargets(bytes, role, delegator)
  files.set(role, bytes)
}

/** The name of a role as it is part of a URL, and of a file. */
export function encodeRole(role: string): string {
  try {
    return encodeURIComponent(role)
  } catch (cause) {
    throw new TufError('invalid-metadata', 'a role has a name that is not Unicode', { cause })
  }
}

function metadataUrl(folder: URL, name: string): URL {
  return new URL(`${folder.href}${name}`)
}

function limit(length: number | undefined, maxBytes: number): number {
  return Math.min(length ?? maxBytes, maxBytes)
}

/** The repository says that there is such metadata: it has to have it. */
function present(role: string, bytes: Buffer | null): Buffer {
  if (bytes !== null) return bytes
  throw new TufError('unexpected-status', `the repository has no metadata of ${role}`)
}

/** Stored metadata that is refused is fetched again. */
function ignoreFaults(update: () => unknown): TufError | null {
  try {
    update()
    return null
  } catch (error) {
    if (error instanceof TufError) return error
    throw error
  }
}
