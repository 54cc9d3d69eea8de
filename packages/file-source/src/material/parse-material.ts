import type { TrustDomain, X509Svid } from '@fastify-spiffe/spiffe'
import { toFileSourceError, type FileSourceError } from '../errors.ts'
import { assertChecksum, type Checksums } from '../reading/checksums.ts'
import type { Contents } from '../reading/contents.ts'
import type { BundleFile, FileSet } from '../reading/file-set.ts'
import { assertListed, assertSigned, readManifest } from '../reading/manifest.ts'
import type { WatchedFile } from '../access/read-safely.ts'
import { collect, type Bundles } from './collect.ts'
import { parseBundleFile, type BundlePart } from './parse-bundles.ts'
import { parseSvid } from './parse-svid.ts'

/** What the files hold, well-formed; its times are not looked at. */
export interface Material {
  readonly svid: X509Svid
  readonly bundles: Bundles
  /** Why files of other trust domains were not used: what was held of these stays. */
  readonly problems: readonly FileSourceError[]
}

/** Reads a file whose digest is right, as far as one is known. */
type Read = (file: WatchedFile) => Buffer

/**
 * Reads what the files hold, or refuses it whole. What is not refused with the rest are the files of another trust domain
 * of which `held` has a bundle: a bad file of a partner must not keep the own SVID from being renewed.
 *
 * @throws {@link FileSourceError}
 */
export function parseMaterial(files: FileSet, contents: Contents, held: Bundles): Material {
  const read = checkedBy(files, contents)
  const svid = parseSvid(files, read(files.svid), read(files.key))
  const own = svid.spiffeId.trustDomain
  const parts: BundlePart[] = []
  const problems: FileSourceError[] = []
  for (const [name, group] of groupsOf(files, own)) {
    try {
      parts.push(...group.flatMap((file) => parseBundleFile(file, read(file), own)))
    } catch (cause) {
      const kept = name === own.name ? undefined : keptOf(group, held)
      if (kept === undefined) throw cause
      parts.push(kept)
      problems.push(toFileSourceError(cause))
    }
  }
  return { svid, bundles: collect(parts), problems }
}

/** The files with bundles by trust domain; what is given for none in particular goes with the own one. */
function groupsOf({ bundles }: FileSet, own: TrustDomain): ReadonlyMap<string, BundleFile[]> {
  const groups = new Map<string, BundleFile[]>()
  for (const file of bundles) {
    const { name } = file.trustDomain ?? own
    groups.set(name, [...(groups.get(name) ?? []), file])
  }
  return groups
}

function keptOf([file]: readonly BundleFile[], held: Bundles): BundlePart | undefined {
  const trustDomain = file?.trustDomain ?? null
  const x509 = trustDomain === null ? undefined : held.x509.get(trustDomain)
  if (trustDomain === null || x509 === undefined) return undefined
  return { trustDomain, x509, jwt: held.jwt.get(trustDomain) ?? null }
}

function checkedBy(files: FileSet, contents: Contents): Read {
  const listed = manifestOf(files, contents)
  return (file) => {
    const content = contents.get(file)
    assertChecksum(file, content, files.expectedSha256)
    if (listed !== null) assertListed(file, content, listed)
    return content
  }
}

function manifestOf({ manifest }: FileSet, contents: Contents): Checksums | null {
  if (manifest === null) return null
  const content = contents.get(manifest)
  const { signed } = manifest
  if (signed !== null) assertSigned(content, contents.get(signed.signature), signed.key)
  return readManifest(manifest.path, content)
}
