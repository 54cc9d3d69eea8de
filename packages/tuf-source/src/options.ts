import { X509Certificate } from 'node:crypto'
import type { LookupFunction } from 'node:net'
import { TrustDomain, type SetTimer } from '@fastify-spiffe/spiffe'
import { MAX_TIMER_MS, OptionReader, setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import { TufError } from './errors.ts'
import { baseUrlFault, folderUrl } from './fetch/url.ts'
import type { TargetKind } from './targets/read-target.ts'

/** The root that everything else is verified with. It comes with the image or the configuration, and is never fetched. */
export interface PinnedRoot {
  /** The file with the root metadata. */
  readonly file: string
  /** SHA-256 of that file, in hexadecimal. */
  readonly sha256: string
}

/** A target with bundles. */
export interface BundleTarget {
  /** Its path in the repository, such as `partner.test.json`. */
  readonly path: string
  /** The trust domain whose bundle it is, in the SPIFFE bundle format. Without it the target is a SPIFFE Bundle Map. */
  readonly trustDomain?: TrustDomain | string
  /** The trust domains that a bundle map may have. Default: all that no other target is the bundle of. */
  readonly trustDomains?: readonly (TrustDomain | string)[]
}

/** Options of `TufBundleSource.open`. */
export interface TufBundleSourceOptions {
  /** The URL of the folder with the metadata. */
  readonly metadataUrl: string
  /** The URL of the folder with the targets. Default: the folder `targets` beside that of the metadata. */
  readonly targetsUrl?: string
  /** The root to begin with. */
  readonly root: PinnedRoot
  /**
   * A directory for this process alone, made with mode 0700; one that is there has to belong to this user and to be closed
   * to others. What is known of versions is in it: without it, an old repository would pass for the newest after a restart.
   */
  readonly directory: string
  /** The targets with bundles, at most 1000. Default: none. */
  readonly bundles?: readonly BundleTarget[]
  /** The paths of targets that are handed on as they are, such as policy files; at most 100. Default: none. */
  readonly files?: readonly string[]
  /** Whether a bundle without X.509 authorities counts, and so ends the trust in its trust domain. Default `false`. */
  readonly allowEmptyBundles?: boolean
  /** The shortest time between two refreshes, in ms, from 60,000 to 86,400,000. Default 300,000. */
  readonly minRefreshMs?: number
  /** The longest time between two refreshes, in ms, from `minRefreshMs` to 86,400,000. Default 900,000. */
  readonly maxRefreshMs?: number
  /**
   * How long bundles count without a refresh that succeeds, in ms, from 60,000 to 31,536,000,000. After that there are none,
   * and nobody of their trust domains is let in. Default 86,400,000: a day.
   */
  readonly maxStalenessMs?: number
  /** How long one file may take, in ms, from 100 to 300,000. Default 30,000. */
  readonly timeoutMs?: number
  /** How long one refresh may take, in ms, from 100 to 3,600,000. Default 300,000. */
  readonly refreshTimeoutMs?: number
  /** How long `open` waits for the first refresh when something is not stored, in ms, up to 300,000. Default 10,000. */
  readonly openTimeoutMs?: number
  /** The largest target, in bytes, up to 16 MiB. Default 4 MiB. */
  readonly maxTargetBytes?: number
  /** The authorities of the repository's server, as certificates in PEM. Default: those that Node trusts. */
  readonly ca?: string | readonly string[]
  /** As in `net.connect`. Default `dns.lookup`. */
  readonly lookup?: LookupFunction
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /** A number from 0 to 1, for the jitter. Default `Math.random`. */
  readonly random?: () => number
  /** Sets a timer, for tests. Default: one of Node that does not keep the process alive. */
  readonly setTimer?: SetTimer
}

/** A target that is followed. */
export interface TargetSettings {
  readonly path: string
  readonly kind: TargetKind
}

/** {@link TufBundleSourceOptions} that were checked. */
export interface Settings {
  readonly metadataUrl: URL
  readonly targetsUrl: URL
  readonly root: PinnedRoot
  readonly directory: string
  readonly targets: readonly TargetSettings[]
  readonly allowEmptyBundles: boolean
  readonly minRefreshMs: number
  readonly maxRefreshMs: number
  readonly maxStalenessMs: number
  readonly timeoutMs: number
  readonly refreshTimeoutMs: number
  readonly openTimeoutMs: number
  readonly maxTargetBytes: number
  readonly ca: readonly string[] | undefined
  readonly lookup: LookupFunction | undefined
  readonly clock: () => number
  readonly random: () => number
  readonly setTimer: SetTimer
}

const NAMES: readonly (keyof TufBundleSourceOptions)[] = [
  'metadataUrl',
  'targetsUrl',
  'root',
  'directory',
  'bundles',
  'files',
  'allowEmptyBundles',
  'minRefreshMs',
  'maxRefreshMs',
  'maxStalenessMs',
  'timeoutMs',
  'refreshTimeoutMs',
  'openTimeoutMs',
  'maxTargetBytes',
  'ca',
  'lookup',
  'clock',
  'random',
  'setTimer',
]
const MAX_BUNDLES = 1000
const MAX_FILES = 100
const MAX_TARGET_BYTES = 16 * 1024 * 1024
const DAY_MS = 86_400_000
const MAX_MS = Math.min(300_000, MAX_TIMER_MS)

const reader: OptionReader = new OptionReader(TufError)

/** @throws `TufError` `unknown-option`, `invalid-option` */
export function readOptions(options: TufBundleSourceOptions): Settings {
  if (typeof options !== 'object' || options === null) {
    reader.refuse('TufBundleSource.open', options, 'must be given its options')
  }
  reader.assertKnown('TufBundleSource.open', options, NAMES)
  const { directory, lookup } = options
  const metadataUrl = readUrl('metadataUrl', options.metadataUrl)
  return {
    metadataUrl,
    targetsUrl:
      options.targetsUrl === undefined
        ? new URL('../targets/', metadataUrl)
        : readUrl('targetsUrl', options.targetsUrl),
    root: readRoot(options.root),
    directory: reader.read('directory', directory, undefined, isPath, 'must be a path'),
    targets: readTargets(options),
    allowEmptyBundles: reader.asBoolean('allowEmptyBundles', options.allowEmptyBundles, false),
    ...readLimits(options),
    ca: options.ca === undefined ? undefined : readAuthorities(options.ca),
    lookup: lookup && reader.asFunction('lookup', lookup, lookup),
    clock: reader.asFunction('clock', options.clock, Date.now),
    random: reader.asFunction('random', options.random, Math.random),
    setTimer: reader.asFunction('setTimer', options.setTimer, setUnreferencedTimer),
  }
}

type Limits = Pick<
  Settings,
  | 'minRefreshMs'
  | 'maxRefreshMs'
  | 'maxStalenessMs'
  | 'timeoutMs'
  | 'refreshTimeoutMs'
  | 'openTimeoutMs'
  | 'maxTargetBytes'
>

function readLimits(options: TufBundleSourceOptions): Limits {
  const read = (key: keyof Limits, min: number, max: number, defaultValue: number): number =>
    reader.asInteger(key, options[key], { min, max, defaultValue })
  const minRefreshMs = read('minRefreshMs', 60_000, DAY_MS, 300_000)
  const longest = Math.max(minRefreshMs, 900_000)
  return {
    minRefreshMs,
    maxRefreshMs: read('maxRefreshMs', minRefreshMs, DAY_MS, longest),
    maxStalenessMs: read('maxStalenessMs', 60_000, 365 * DAY_MS, DAY_MS),
    timeoutMs: read('timeoutMs', 100, MAX_MS, 30_000),
    refreshTimeoutMs: read('refreshTimeoutMs', 100, 3_600_000, 300_000),
    openTimeoutMs: read('openTimeoutMs', 0, MAX_MS, 10_000),
    maxTargetBytes: read('maxTargetBytes', 1024, MAX_TARGET_BYTES, 4 * 1024 * 1024),
  }
}

function readUrl(key: string, text: string): URL {
  const fault = baseUrlFault(text)
  if (fault !== undefined) throw new TufError('invalid-option', `${key} ${fault}`)
  return folderUrl(text)
}

function readRoot(root: PinnedRoot): PinnedRoot {
  if (typeof root !== 'object' || root === null) {
    reader.refuse('root', root, 'must name the file of the root, and its SHA-256')
  }
  reader.assertKnown('root', root, ['file', 'sha256'])
  const file = reader.read('root.file', root.file, undefined, isPath, 'must be a path')
  const rule = 'must be a SHA-256 in hexadecimal'
  const sha256 = reader.read('root.sha256', root.sha256, undefined, isDigest, rule)
  return { file, sha256: sha256.toLowerCase() }
}

function readTargets({
  bundles = [],
  files = [],
}: TufBundleSourceOptions): readonly TargetSettings[] {
  reader.read(
    'bundles',
    bundles,
    [],
    isList(MAX_BUNDLES),
    `must be a list of at most ${MAX_BUNDLES}`,
  )
  reader.read('files', files, [], isList(MAX_FILES), `must be a list of at most ${MAX_FILES}`)
  const targets = [
    ...bundles.map((bundle) => readBundleTarget(bundle)),
    ...files.map((path) => ({ path: readPath('files', path), kind: { kind: 'file' } as const })),
  ]
  const paths = new Set(targets.map(({ path }) => path))
  if (paths.size < targets.length) reader.refuse('bundles', bundles, 'must name each target once')
  const names = targets.flatMap(({ kind }) =>
    kind.kind === 'bundle' ? [kind.trustDomain.name] : [],
  )
  if (new Set(names).size < names.length) {
    reader.refuse('bundles', bundles, 'must name each trust domain once')
  }
  return targets
}

function readBundleTarget(target: BundleTarget): TargetSettings {
  if (typeof target !== 'object' || target === null) {
    reader.refuse('bundles', target, 'must hold objects')
  }
  reader.assertKnown('a bundle target', target, ['path', 'trustDomain', 'trustDomains'])
  const { trustDomain, trustDomains } = target
  const path = readPath('bundles.path', target.path)
  if (trustDomain !== undefined) {
    if (trustDomains !== undefined) {
      reader.refuse('trustDomains', trustDomains, 'must not be given beside trustDomain')
    }
    return { path, kind: { kind: 'bundle', trustDomain: readTrustDomain(trustDomain) } }
  }
  if (trustDomains === undefined) return { path, kind: { kind: 'bundle-map', trustDomains: null } }
  if (!Array.isArray(trustDomains)) reader.refuse('trustDomains', trustDomains, 'must be a list')
  const names = trustDomains.map((each) => readTrustDomain(each).name)
  return { path, kind: { kind: 'bundle-map', trustDomains: new Set(names) } }
}

function readTrustDomain(value: TrustDomain | string): TrustDomain {
  const parsed = TrustDomain.safeParse(String(value))
  if (parsed.ok) return parsed.value
  throw new TufError('invalid-option', `trustDomain: ${parsed.error.message}`)
}

/** As paths in a repository are: segments that can be told from each other everywhere. */
function readPath(key: string, value: string): string {
  const rule = 'must be a path of letters, digits and _ . + @ = -, without a leading slash or dot'
  return reader.read(key, value, undefined, isTargetPath, rule)
}

function isDigest(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value)
}

function isList(max: number): (value: unknown) => boolean {
  return (value) => Array.isArray(value) && value.length <= max
}

function isTargetPath(path: unknown): boolean {
  return (
    typeof path === 'string' &&
    path.length <= 500 &&
    /^[\w+@=-][\w.+@=-]*(?:\/[\w+@=-][\w.+@=-]*)*$/.test(path)
  )
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

function readAuthorities(ca: string | readonly string[]): readonly string[] {
  const list = typeof ca === 'string' ? [ca] : ca
  const areCertificates =
    Array.isArray(list) && list.length > 0 && list.every((each) => typeof each === 'string')
  if (!areCertificates) reader.refuse('ca', ca, 'must be certificates in PEM')
  for (const pem of list) {
    try {
      void new X509Certificate(pem)
    } catch {
      reader.refuse('ca', pem, 'must be certificates in PEM')
    }
  }
  return list
}
