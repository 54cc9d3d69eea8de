import { isIP, type LookupFunction } from 'node:net'
import {
  SpiffeIdMatcher,
  type RevocationOptions,
  type RevocationPolicy,
  type X509MaterialSource,
} from '@fastify-spiffe/spiffe'
import { describeValue, MAX_TIMER_MS } from '@fastify-spiffe/spiffe/internal'
import { MIN_VERSIONS, type MinVersion } from '../context/context-options.ts'
import { TlsError } from '../errors.ts'
import {
  assertClockSkew,
  assertKnownOptions,
  assertOneOf,
  assertPositiveInteger,
  assertSource,
  revocationPolicies,
} from '../options.ts'

export interface ConnectOptions {
  /** The own SVID of this moment, and the bundles to verify the server with. */
  readonly source: X509MaterialSource
  /** Host name or IP address. */
  readonly host: string
  readonly port: number
  /** Which SPIFFE IDs the server may have. There is no default: say whom you call. */
  readonly server: SpiffeIdMatcher
  /** Application protocols to offer, such as `['h2']`. Default: none. */
  readonly alpnProtocols?: readonly string[]
  /** The name for the server-name extension. Default: `host`, unless it is an IP address. */
  readonly servername?: string
  /** How long name resolution, connection and handshake may take together, in ms. Default 10,000. */
  readonly timeoutMs?: number
  /** Gives up early; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Default `TLSv1.3`. */
  readonly minVersion?: MinVersion
  /**
   * What the revocation lists of the bundles mean: `off`, `soft` or `strict`, or
   * `{ default, trustDomains }` with exceptions by name. Default `soft`.
   */
  readonly revocation?: RevocationPolicy | RevocationOptions
  /**
   * How far the clock of the server's authority may be from ours, in ms, up to 300,000: its certificates
   * count by so much earlier and longer. Default 0.
   */
  readonly clockSkewMs?: number
  /**
   * Whether an intermediate whose SPIFFE ID is of another trust domain than the server's is let in. It
   * gives up that trust domains below one root cannot issue for one another. Default `false`.
   */
  readonly allowIntermediatesOfOtherTrustDomains?: boolean
  /** As in `net.connect`. */
  readonly family?: number
  /** As in `net.connect`. */
  readonly localAddress?: string
  /** As in `net.connect`. */
  readonly lookup?: LookupFunction
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/** What may be left out of {@link ConnectOptions}, where that is decided once for many connections. */
export type EndpointOptions = Pick<
  ConnectOptions,
  | 'source'
  | 'server'
  | 'timeoutMs'
  | 'minVersion'
  | 'revocation'
  | 'clockSkewMs'
  | 'allowIntermediatesOfOtherTrustDomains'
  | 'clock'
>

const connectOptionNames: ReadonlySet<string> = new Set([
  'source',
  'host',
  'port',
  'server',
  'alpnProtocols',
  'servername',
  'timeoutMs',
  'signal',
  'minVersion',
  'revocation',
  'clockSkewMs',
  'allowIntermediatesOfOtherTrustDomains',
  'family',
  'localAddress',
  'lookup',
  'clock',
] satisfies (keyof ConnectOptions)[])

/** @throws {@link TlsError} `invalid-option` */
export const assertEndpointOptions = (options: EndpointOptions): void => {
  assertSource(options.source)
  if (!(options.server instanceof SpiffeIdMatcher)) {
    throw new TlsError('invalid-option', 'server must be a SpiffeIdMatcher: say whom you call')
  }
  if (options.timeoutMs !== undefined) {
    assertPositiveInteger('timeoutMs', options.timeoutMs, MAX_TIMER_MS)
  }
  if (options.minVersion !== undefined) {
    assertOneOf('minVersion', options.minVersion, MIN_VERSIONS)
  }
  if (options.clockSkewMs !== undefined) assertClockSkew(options.clockSkewMs)
  const { allowIntermediatesOfOtherTrustDomains: allows = false } = options
  assertOneOf('allowIntermediatesOfOtherTrustDomains', allows, [true, false])
  revocationPolicies(options.revocation)
}

/** @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option` */
export const assertConnectOptions = (options: ConnectOptions): void => {
  assertKnownOptions(options, connectOptionNames, 'connect')
  assertEndpointOptions(options)
  // Node's errors quote each of these.
  const { host, port, servername, localAddress, family, lookup } = options
  if (!isHost(host)) {
    throw new TlsError('invalid-option', 'host must be a host name or an IP address')
  }
  assertPositiveInteger('port', port, 65_535)
  if (servername !== undefined && !isHost(servername)) {
    throw new TlsError('invalid-option', 'servername must be a host name')
  }
  if (localAddress !== undefined && isIP(localAddress) === 0) {
    throw new TlsError('invalid-option', 'localAddress must be an IP address')
  }
  if (family !== undefined) assertOneOf('family', family, [0, 4, 6])
  if (lookup !== undefined && typeof lookup !== 'function') {
    throw new TlsError('invalid-option', `lookup must be a function, not ${describeValue(lookup)}`)
  }
}

/** By its characters: whether there is such a host is for the resolver to say, which then names it. */
const isHost = (value: unknown): boolean =>
  typeof value === 'string' && (isIP(value) !== 0 || /^[\w.-]{1,253}$/.test(value))
