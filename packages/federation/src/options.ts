import type { LookupFunction } from 'node:net'
import type { SetTimer, X509BundleSource } from '@fastify-spiffe/spiffe'
import {
  MAX_BUNDLE_BYTES,
  MAX_TIMER_MS,
  setUnreferencedTimer,
  type Steps,
} from '@fastify-spiffe/spiffe/internal'
import {
  reader,
  readBundleSource,
  readRelationship,
  type FollowOptions,
  type Relationship,
} from './endpoint/options.ts'

/** Options of `Federation.open`. */
export interface FederationOptions {
  /** The trust domains to follow, at most 10,000. Default: none; `follow` adds some later. */
  readonly trustDomains?: readonly FollowOptions[]
  /**
   * A directory for the bundles, so that a restart without network still knows its peers. It is made with mode 0700; one that
   * is there has to belong to this user and to be closed to others. Default: none, and nothing is stored.
   */
  readonly directory?: string
  /**
   * Gives the bundles to verify endpoints with whose trust domains are not followed, such as an `X509Source` for those of the
   * own one. It is not closed. Default: none.
   */
  readonly source?: X509BundleSource
  /** How long one fetch may take, with its redirects, in ms, from 100 to 300,000. Default 30,000. */
  readonly timeoutMs?: number
  /**
   * How long `open` waits for trust domains of which no bundle is stored or given: until each of them was fetched once, and at
   * most so long, in ms, up to 300,000. Default 10,000.
   */
  readonly openTimeoutMs?: number
  /** The largest bundle that is read, in bytes, up to 4 MiB. Default 4 MiB. */
  readonly maxBundleBytes?: number
  /**
   * How many bytes the bundles of all trust domains may have in sum, up to 4 GiB. Half of it is shared out evenly among those
   * that are followed, so that large bundles of some leave room for all others. A fetched bundle that does not fit is
   * refused, and what is held stays; one that is not larger than what is held always fits. Bundles that are given or stored
   * count, and are always taken. In memory a bundle takes about six times as much. Default 64 MiB.
   */
  readonly maxTotalBytes?: number
  /** How many fetches may run at once, from 1 to 100. Default 16. */
  readonly maxConcurrentFetches?: number
  /** As in `net.connect`. Default `dns.lookup`. */
  readonly lookup?: LookupFunction
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /** A number from 0 to 1, for the jitter. Default `Math.random`. */
  readonly random?: () => number
  /** Sets a timer, for tests. Default: one of Node that does not keep the process alive. */
  readonly setTimer?: SetTimer
}

/** {@link FederationOptions} that were checked. */
export interface Settings {
  readonly directory: string | undefined
  readonly source: X509BundleSource | undefined
  readonly timeoutMs: number
  readonly openTimeoutMs: number
  readonly maxBundleBytes: number
  readonly maxTotalBytes: number
  readonly maxConcurrentFetches: number
  readonly lookup: LookupFunction | undefined
  readonly clock: () => number
  readonly random: () => number
  readonly setTimer: SetTimer
}

/** How many trust domains may be followed at once. */
export const MAX_TRUST_DOMAINS = 10_000
const MAX_TOTAL_BYTES = 64 * 1024 * 1024
const MAX_MS = Math.min(300_000, MAX_TIMER_MS)

const NAMES: readonly (keyof FederationOptions)[] = [
  'trustDomains',
  'directory',
  'source',
  'timeoutMs',
  'openTimeoutMs',
  'maxBundleBytes',
  'maxTotalBytes',
  'maxConcurrentFetches',
  'lookup',
  'clock',
  'random',
  'setTimer',
]

/** @throws `FederationError` `unknown-option`, `invalid-option` */
export function readOptions(options: FederationOptions): Settings {
  if (typeof options !== 'object' || options === null) {
    reader.refuse('Federation.open', options, 'must be given its options')
  }
  reader.assertKnown('Federation.open', options, NAMES)
  const { directory, source, lookup } = options
  readBundleSource(source)
  if (directory !== undefined) reader.asPath('directory', directory, 'must be a path')
  return {
    directory,
    source,
    ...readLimits(options),
    lookup: lookup && reader.asFunction('lookup', lookup, lookup),
    clock: reader.asFunction('clock', options.clock, Date.now),
    random: reader.asFunction('random', options.random, Math.random),
    setTimer: reader.asFunction('setTimer', options.setTimer, setUnreferencedTimer),
  }
}

function readLimits(
  options: FederationOptions,
): Pick<
  Settings,
  'timeoutMs' | 'openTimeoutMs' | 'maxBundleBytes' | 'maxTotalBytes' | 'maxConcurrentFetches'
> {
  const { timeoutMs, openTimeoutMs, maxConcurrentFetches } = options
  return {
    timeoutMs: reader.asInteger('timeoutMs', timeoutMs, {
      min: 100,
      max: MAX_MS,
      defaultValue: 30_000,
    }),
    openTimeoutMs: reader.asInteger('openTimeoutMs', openTimeoutMs, {
      min: 0,
      max: MAX_MS,
      defaultValue: 10_000,
    }),
    maxBundleBytes: reader.asInteger('maxBundleBytes', options.maxBundleBytes, {
      min: 1024,
      max: MAX_BUNDLE_BYTES,
      defaultValue: MAX_BUNDLE_BYTES,
    }),
    maxTotalBytes: reader.asInteger('maxTotalBytes', options.maxTotalBytes, {
      min: 1024,
      max: 2 ** 32,
      defaultValue: MAX_TOTAL_BYTES,
    }),
    maxConcurrentFetches: reader.asInteger('maxConcurrentFetches', maxConcurrentFetches, {
      min: 1,
      max: 100,
      defaultValue: 16,
    }),
  }
}

/**
 * Reads the option `trustDomains`, one in each step: certificates are read, and bundles.
 * @throws `FederationError` `unknown-option`, `invalid-option`
 */
export function* readRelationships(
  trustDomains: readonly FollowOptions[] = [],
): Steps<readonly Relationship[]> {
  const isList = (value: unknown): boolean =>
    Array.isArray(value) && value.length <= MAX_TRUST_DOMAINS
  const rule = `must be a list of at most ${MAX_TRUST_DOMAINS}`
  reader.read('trustDomains', trustDomains, undefined, isList, rule)
  const names = new Set<string>()
  const relationships: Relationship[] = []
  for (const options of trustDomains) {
    const relationship = readRelationship(options)
    const { name } = relationship.trustDomain
    if (names.size === names.add(name).size) {
      reader.refuse('trustDomains', trustDomains, 'must name each trust domain once')
    }
    relationships.push(relationship)
    yield
  }
  return relationships
}
