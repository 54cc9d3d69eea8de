import { TrustDomain } from '@fastify-spiffe/spiffe'
import { LAYOUTS, type FileLayout, type FileNames } from '../layouts.ts'
import { isSha256, type Checksums } from '../reading/checksums.ts'
import { filesOf, type BundleFile, type FileSet, type ManifestFile } from '../reading/file-set.ts'
import { readManifestKey } from '../reading/manifest.ts'
import type { FilePaths, FileSourceOptions, ManifestOptions } from './options.ts'
import { isPath, PATH_RULE, Paths, readPath } from './paths.ts'
import { reader } from './reader.ts'

const MAX_FILES = 1000

/**
 * The files that the options name.
 * @throws {@link FileSourceError} `invalid-option`
 */
export function readFiles(options: FileSourceOptions): FileSet {
  const paths = new Paths(options.directory)
  const names = readLayout(options.layout)
  const files: FileSet = {
    svid: paths.file('the SVID', readPath('svid', options.svid ?? names?.svid)),
    key: paths.file('the key', readPath('key', options.key ?? names?.key), true),
    bundles: readBundles(options, names, paths),
    manifest: readManifestOptions(options.manifest, paths),
    expectedSha256: new Map(),
  }
  return { ...files, expectedSha256: readChecksums(options.expectedSha256, files, paths) }
}

function readLayout(layout: FileLayout | undefined): FileNames | undefined {
  if (layout === undefined) return undefined
  const name = reader.asOneOf('layout', layout, [...LAYOUTS.keys()])
  return LAYOUTS.get(name)
}

function readBundles(
  { bundle, bundles = {} }: FileSourceOptions,
  names: FileNames | undefined,
  paths: Paths,
): readonly BundleFile[] {
  assertRecord('bundles', bundles)
  const files: BundleFile[] = []
  const usual = Object.keys(bundles).length === 0 ? names?.bundle : undefined
  const own = bundle ?? usual
  for (const path of own === undefined ? [] : readPaths('bundle', own)) {
    files.push({ ...paths.file('the bundle', path), trustDomain: null })
  }
  for (const [name, given] of Object.entries(bundles)) {
    const trustDomain = readTrustDomain(name, bundles)
    for (const path of readPaths(`bundles[${trustDomain.name}]`, given)) {
      files.push({ ...paths.file(`the bundle of ${trustDomain.name}`, path), trustDomain })
    }
  }
  if (files.length > 0) return files
  return reader.refuse('bundle', bundle, 'must be the path of a file, or "bundles" must be given')
}

function readTrustDomain(name: string, bundles: unknown): TrustDomain {
  const parsed = TrustDomain.safeParse(name)
  // The name alone: of `spiffe://example.org` beside `example.org` one would be lost.
  if (parsed.ok && parsed.value.name === name) return parsed.value
  return reader.refuse('bundles', bundles, 'must have names of trust domains as its keys')
}

function readPaths(key: string, given: FilePaths): readonly string[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : [given]
  const isGood = list.length > 0 && list.length <= MAX_FILES && list.every(isPath)
  if (!isGood) return reader.refuse(key, given, `${PATH_RULE}, or a list of such`)
  return [...new Set(list)]
}

function readManifestOptions(
  manifest: ManifestOptions | undefined,
  paths: Paths,
): ManifestFile | null {
  if (manifest === undefined) return null
  assertRecord('manifest', manifest)
  reader.assertKnown('manifest', manifest, ['file', 'publicKey'])
  const path = readPath('manifest.file', manifest.file)
  const file = paths.file('the manifest', path)
  if (manifest.publicKey === undefined) return { ...file, signed: null }
  const key = readManifestKey(manifest.publicKey)
  if (key === undefined) {
    const rule = 'must be a public key in PEM, Ed25519 or P-256'
    return reader.refuse('manifest.publicKey', manifest.publicKey, rule)
  }
  const signature = paths.file('the signature of the manifest', `${path}.sig`)
  return { ...file, signed: { key, signature } }
}

function readChecksums(
  expected: FileSourceOptions['expectedSha256'] = {},
  files: FileSet,
  paths: Paths,
): Checksums {
  assertRecord('expectedSha256', expected)
  const known = new Set(filesOf(files).map(({ path }) => path))
  const checksums = new Map<string, readonly string[]>()
  for (const [name, digests] of Object.entries(expected)) {
    const path = paths.resolve(name)
    if (!known.has(path) || checksums.has(path)) {
      reader.refuse(
        'expectedSha256',
        expected,
        'must have paths of the files as its keys, each once',
      )
    }
    const list: readonly unknown[] = Array.isArray(digests) ? digests : [digests]
    if (list.length === 0 || !list.every(isSha256)) {
      reader.refuse('expectedSha256', digests, 'must have SHA-256 digests in hexadecimal')
    }
    checksums.set(path, list)
  }
  return checksums
}

function assertRecord(key: string, value: unknown): void {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!isRecord) reader.refuse(key, value, 'must be an object')
}
