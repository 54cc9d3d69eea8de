import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import { TrustDomain, type JwtBundleSource } from '@fastify-spiffe/spiffe'
import { MAX_BUNDLE_BYTES, OptionReader } from '@fastify-spiffe/spiffe/internal'
import { BundleEndpointError } from './errors.ts'
import type { OwnBundleSource } from './own-bundle.ts'

/** How consumers verify the server of a bundle endpoint (SPIFFE Federation §5.2). */
export type BundleEndpointProfile = 'https_spiffe' | 'https_web'

/** Options of the plugin `bundleEndpoint`. With the profile `https_spiffe` each has a default. */
export interface BundleEndpointOptions {
  /**
   * `https_spiffe`: the server presents its SVID, and consumers verify it by the bundle that they hold.
   * `https_web`: the server has a certificate of the Web PKI. Default `https_spiffe`.
   */
  readonly profile?: BundleEndpointProfile
  /** Where the X.509 authorities come from. Default: the source of `spiffeServer`. Mandatory with `https_web`. */
  readonly source?: OwnBundleSource
  /** Where the JWT authorities come from. Default: `source`, if it has `jwtBundles`; otherwise the bundle has none. */
  readonly jwtSource?: JwtBundleSource
  /** The own trust domain. Default: that of the SVID of `source`. Mandatory if `source` has no SVID. */
  readonly trustDomain?: TrustDomain | string
  /** The path of the route, after the prefix of the plugin. Default `/bundle`. */
  readonly path?: string
  /** How often consumers should ask, in ms: whole seconds, up to a day. Default 300,000. */
  readonly refreshHintMs?: number
  /**
   * The file that remembers the sequence over restarts, one for each process. It is written anew with each change.
   * Default none: after a restart the sequence relies on the clock.
   */
  readonly sequenceFile?: string
  /** How large the bundle may be; a larger one is not published. Default, and at most, 4 MiB: what consumers read. */
  readonly maxBytes?: number
  /**
   * With `https_web`: whether the server may speak plain HTTP, behind a proxy that ends TLS. Whoever is between both can
   * replace the bundle. Default `false`.
   */
  readonly allowPlainHttp?: boolean
  /** The time in ms since the epoch, for the sequence. Default `Date.now`. */
  readonly clock?: () => number
}

/** The options with all defaults. `null`: not given. */
export interface BundleEndpointSettings {
  readonly profile: BundleEndpointProfile
  readonly source: OwnBundleSource | null
  readonly jwtSource: JwtBundleSource | null
  readonly trustDomain: TrustDomain | null
  readonly path: string
  readonly refreshHintMs: number
  readonly sequenceFile: string | null
  readonly maxBytes: number
  readonly allowPlainHttp: boolean
  readonly clock: () => number
}

const names: readonly (keyof BundleEndpointOptions)[] = [
  'profile',
  'source',
  'jwtSource',
  'trustDomain',
  'path',
  'refreshHintMs',
  'sequenceFile',
  'maxBytes',
  'allowPlainHttp',
  'clock',
]

const DAY_MS = 86_400_000
const MAX_PATH = 256
// Neither parameters nor wildcards, and nothing that is decoded.
const PATH = /^\/[\w.~/-]*$/

const reader: OptionReader = new OptionReader(BundleEndpointError)

/** @throws {@link BundleEndpointError} `unknown-option` or `invalid-option` */
export function readOptions(options: BundleEndpointOptions): BundleEndpointSettings {
  reader.assertKnown('bundleEndpoint', options, [...names, ...FASTIFY_OPTION_NAMES])
  const { profile, source, jwtSource, path, maxBytes, allowPlainHttp, clock } = options
  return {
    profile: reader.asOneOf('profile', profile, ['https_spiffe', 'https_web'], 'https_spiffe'),
    source: readSource('source', source, 'bundles'),
    jwtSource: readSource('jwtSource', jwtSource, 'jwtBundles'),
    trustDomain: readTrustDomain(options.trustDomain),
    path: reader.read('path', path, '/bundle', isPath, 'must be a path, such as /bundle'),
    refreshHintMs: readRefreshHint(options.refreshHintMs),
    sequenceFile: readFile(options.sequenceFile),
    maxBytes: reader.asInteger('maxBytes', maxBytes, {
      min: 1024,
      max: MAX_BUNDLE_BYTES,
      defaultValue: MAX_BUNDLE_BYTES,
    }),
    allowPlainHttp: reader.asBoolean('allowPlainHttp', allowPlainHttp, false),
    clock: reader.asFunction('clock', clock, Date.now),
  }
}

function readSource<T extends object>(
  key: 'source' | 'jwtSource',
  value: T | undefined,
  supplies: 'bundles' | 'jwtBundles',
): T | null {
  if (value === undefined) return null
  const isSource = (given: T): boolean =>
    typeof given === 'object' && given !== null && supplies in given && 'onUpdate' in given
  return reader.read(key, value, undefined, isSource, `must be a source that has ${supplies}`)
}

function readTrustDomain(value: TrustDomain | string | undefined): TrustDomain | null {
  if (value === undefined || value instanceof TrustDomain) return value ?? null
  const parsed = typeof value === 'string' ? TrustDomain.safeParse(value) : null
  if (parsed?.ok === true) return parsed.value
  return reader.refuse('trustDomain', value, 'must be a trust domain, such as example.org')
}

function readRefreshHint(value: number | undefined): number {
  const isHint = (given: number): boolean =>
    Number.isInteger(given / 1000) && given >= 1000 && given <= DAY_MS
  const rule = `must be whole seconds from 1000 to ${DAY_MS} milliseconds`
  return reader.read('refreshHintMs', value, 300_000, isHint, rule)
}

function readFile(value: string | undefined): string | null {
  if (value === undefined) return null
  return reader.asPath('sequenceFile', value, 'must be the path of a file')
}

function isPath(value: string): boolean {
  return typeof value === 'string' && value.length <= MAX_PATH && PATH.test(value)
}
