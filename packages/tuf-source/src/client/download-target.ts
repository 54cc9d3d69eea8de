import { createHash } from 'node:crypto'
import { TufError } from '../errors.ts'
import type { FetchFile } from '../fetch/request.ts'
import { fileUrl } from '../fetch/url.ts'
import type { TargetInfo } from '../metadata/trusted-set.ts'

/** Others are broken, or nobody's. */
const STRONG_HASHES: ReadonlySet<string> = new Set(['sha256', 'sha384', 'sha512'])

export interface DownloadParts {
  /** The folder of the targets. */
  readonly url: URL
  readonly fetch: FetchFile
  readonly maxBytes: number
  /** Whether the names of targets begin with their hash (TUF specification §6.2). */
  readonly isConsistentSnapshot: boolean
}

/**
 * Fetches a target, and resolves with its octets once their length and all their hashes are those of the metadata.
 * @throws {@link TufError} a code of network, `too-large`, `hash-mismatch`, `invalid-metadata`
 */
export async function downloadTarget(target: TargetInfo, parts: DownloadParts): Promise<Buffer> {
  const hashes = strongHashes(target)
  if (target.length > parts.maxBytes) {
    throw new TufError('too-large', `a target is larger than ${parts.maxBytes} bytes`)
  }
  const prefix = parts.isConsistentSnapshot ? `${hashes[0]?.[1]}.` : ''
  const url = fileUrl(
    parts.url,
    target.path.replace(/[^/]*$/, (name) => `${prefix}${name}`),
  )
  if (url === null) throw new TufError('invalid-metadata', 'the path of a target is not one')
  const bytes = await parts.fetch(url, target.length)
  if (bytes === null) {
    throw new TufError('unexpected-status', 'the repository does not have a target that it lists')
  }
  if (!isTarget(target, bytes)) {
    throw new TufError('hash-mismatch', 'a target has another hash or length than it should have')
  }
  return bytes
}

/**
 * Whether these octets are the target.
 * @throws {@link TufError} `invalid-metadata` when the target has no hash that says so
 */
export function isTarget(target: TargetInfo, bytes: Uint8Array): boolean {
  if (bytes.length !== target.length) return false
  return strongHashes(target).every(
    ([algorithm, digest]) => createHash(algorithm).update(bytes).digest('hex') === digest,
  )
}

function strongHashes({ hashes }: TargetInfo): readonly (readonly [string, string])[] {
  const entries = Object.entries(hashes).filter(([name]) => STRONG_HASHES.has(name))
  const areDigests = entries.every(([, digest]) => /^[0-9a-f]{64,128}$/.test(digest))
  if (entries.length > 0 && areDigests) return entries
  throw new TufError('invalid-metadata', 'a target has no SHA-256, SHA-384 or SHA-512')
}
