import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { TufError } from '../errors.ts'
import type { FetchFile } from '../fetch/request.ts'
import type { TrustedSet } from '../metadata/trusted-set.ts'
import { downloadTarget, isTarget } from './download-target.ts'
import { findTarget } from './find-target.ts'
import { refreshMetadata, type MetadataFiles } from './refresh-metadata.ts'

/** What one update needs. */
export interface UpdateParts {
  readonly metadata: ReadonlyMap<string, Buffer>
  readonly metadataUrl: URL
  readonly targetsUrl: URL
  readonly maxTargetBytes: number
  /** The paths of the targets. */
  readonly paths: readonly string[]
  /** The octets of a target that are held, so that they are not fetched again. */
  readonly held: (path: string) => Buffer | null
  readonly fetch: FetchFile
  readonly now: number
}

/** A target that was verified. */
export interface VerifiedTarget {
  readonly bytes: Buffer
  /** The version of the metadata that lists it. */
  readonly version: number
}

/** What one update has brought. */
export interface UpdateOutcome {
  /** All that was verified, whatever failed after it. */
  readonly metadata: MetadataFiles
  /** `null` when the metadata was not verified to the end. */
  readonly set: TrustedSet | null
  /** Why it was not. */
  readonly failure: TufError | null
  /** Each target, or why it is not there. */
  readonly targets: ReadonlyMap<string, VerifiedTarget | TufError>
}

const TOP_LEVEL: ReadonlySet<string> = new Set(['root', 'timestamp', 'snapshot', 'targets'])

/** Updates the metadata, then looks for each of the targets. It does not throw: what fails is in the outcome. */
export async function update(parts: UpdateParts): Promise<UpdateOutcome> {
  const metadata: MetadataFiles = new Map(parts.metadata)
  const { metadataUrl: url, fetch, now } = parts
  try {
    const set = await refreshMetadata({ files: metadata, url, fetch, now })
    const targets = new Map<string, VerifiedTarget | TufError>()
    for (const path of parts.paths) {
      targets.set(path, await attempt(() => bring(set, path, metadata, parts)))
    }
    // Of roles that nothing leads to any more, nothing is kept.
    for (const role of metadata.keys()) {
      if (!TOP_LEVEL.has(role) && !set.has(role)) metadata.delete(role)
    }
    return { metadata, set, failure: null, targets }
  } catch (cause) {
    return { metadata, set: null, failure: asTufError(cause), targets: new Map() }
  }
}

async function bring(
  set: TrustedSet,
  path: string,
  files: MetadataFiles,
  { metadataUrl, targetsUrl, fetch, held, maxTargetBytes }: UpdateParts,
): Promise<VerifiedTarget> {
  const target = await findTarget(set, path, { files, url: metadataUrl, fetch })
  if (target === null) throw new TufError('no-target', 'the repository has no such target')
  const { version } = target
  const known = held(path)
  if (known !== null && isTarget(target, known)) return { bytes: known, version }
  const bytes = await downloadTarget(target, {
    url: targetsUrl,
    fetch,
    maxBytes: maxTargetBytes,
    isConsistentSnapshot: set.isConsistentSnapshot,
  })
  return { bytes, version }
}

async function attempt<T>(task: () => Promise<T>): Promise<T | TufError> {
  try {
    return await task()
  } catch (cause) {
    return asTufError(cause)
  }
}

/** Any error as one of this package. */
export function asTufError(cause: unknown): TufError {
  if (cause instanceof TufError) return cause
  return new TufError('internal', `an unexpected error (${describeCause(cause)})`, { cause })
}
