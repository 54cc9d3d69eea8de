import { isIP, type LookupFunction } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  SpiffeError,
  toMatcher,
  type MatcherInput,
  type RevocationOptions,
  type RevocationPolicy,
  type SpiffeIdMatcher,
  type X509MaterialSource,
} from '@fastify-spiffe/spiffe'
import { hasMethods, MAX_TIMER_MS } from '@fastify-spiffe/spiffe/internal'
import { MIN_VERSIONS, type MinVersion } from '../context/context-options.ts'
import { TlsError } from '../errors.ts'
import {
  assertClockSkew,
  assertKnownOptions,
  assertSource,
  reader,
  revocationPolicies,
} from '../options.ts'
import { WebPki } from './web-pki.ts'

/** What a client presents: the SVID of its source, or no certificate. */
export type PresentedCertificate = 'svid' | 'none'

const CLIENT_CERTIFICATES: readonly PresentedCertificate[] = ['svid', 'none']

/** Options of `connect`. `source`, `host`, `port` and `server` are required. */
export interface ConnectOptions {
  /** Gives the own SVID to present, and the bundles to verify the server with. */
  readonly source: X509MaterialSource
  /** Host name or IP address. */
  readonly host: string
  /** The TCP port. */
  readonly port: number
  /**
   * Which SPIFFE IDs the server may have: a matcher, or a SPIFFE ID or pattern as a string, such as
   * `'spiffe://example.org/billing'`. Required: there is no safe default. `webPki()`: the server has no
   * SPIFFE ID, and proves its host name to the authorities of the Web PKI.
   */
  readonly server: MatcherInput | WebPki
  /**
   * What to present to the server: the SVID of the source, or with `none` no certificate, so that the
   * server does not learn who calls. Default `svid`.
   */
  readonly clientCertificate?: PresentedCertificate
  /** Application protocols (ALPN, RFC 7301) to offer, such as `['h2']`. Default: none. */
  readonly alpnProtocols?: readonly string[]
  /** The server name to send (SNI, RFC 6066 §3). Default: `host`, or none if that is an IP address. */
  readonly servername?: string
  /** How long name resolution, connection and handshake may take together, in ms. Default 10,000. */
  readonly timeoutMs?: number
  /** Aborts the attempt; the promise rejects with the reason of the signal. Default: none. */
  readonly signal?: AbortSignal
  /** The lowest TLS version to accept. Default `TLSv1.3`. */
  readonly minVersion?: MinVersion
  /**
   * How the revocation lists of the bundles are used: `off`, `soft` or `strict`, or
   * `{ default, trustDomains }` with exceptions by the name of the trust domain. Default `soft`.
   */
  readonly revocation?: RevocationPolicy | RevocationOptions
  /**
   * How far the clock of the server's authority may differ from ours, in ms, up to 300,000: its
   * certificates are valid so much earlier and longer. Default 0.
   */
  readonly clockSkewMs?: number
  /**
   * Whether an intermediate may have a SPIFFE ID of another trust domain than the server. With `true`,
   * trust domains that share a root can issue SVIDs for one another. Default `false`.
   */
  readonly allowIntermediatesOfOtherTrustDomains?: boolean
  /** As in `net.connect`. Default 0: IPv4 and IPv6. */
  readonly family?: number
  /** As in `net.connect`. Default: any. */
  readonly localAddress?: string
  /** As in `net.connect`. Default `dns.lookup`. */
  readonly lookup?: LookupFunction
  /**
   * An existing connection to the server, on which TLS with the server has not begun: a tunnel through a proxy, or one on
   * which both sides have agreed to start TLS. `host` and `port` then open no connection, and only name the server. The TLS
   * connection owns the socket, which is destroyed when TLS ends or fails. Default: a new TCP connection.
   */
  readonly socket?: Duplex
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/** Those of {@link ConnectOptions} that are the same for many connections. */
export type ConnectorOptions = Pick<
  ConnectOptions,
  | 'source'
  | 'server'
  | 'clientCertificate'
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
  'clientCertificate',
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
  'socket',
  'clock',
] satisfies (keyof ConnectOptions)[])

/** {@link ConnectorOptions} that were checked. */
export interface Connector extends ConnectorOptions {
  readonly server: SpiffeIdMatcher | WebPki
}

/** The names of {@link ConnectorOptions}. */
export const connectorOptionNames: readonly (keyof ConnectorOptions)[] = [
  'source',
  'server',
  'clientCertificate',
  'timeoutMs',
  'minVersion',
  'revocation',
  'clockSkewMs',
  'allowIntermediatesOfOtherTrustDomains',
  'clock',
]

/** @throws {@link TlsError} `invalid-option` */
export function readServer(server: MatcherInput | WebPki): SpiffeIdMatcher | WebPki {
  if (server instanceof WebPki) return server
  try {
    return toMatcher(server)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new TlsError('invalid-option', `server: ${cause.message}`, { cause })
  }
}

/** @throws {@link TlsError} `invalid-option` */
export function assertConnectorOptions(options: ConnectorOptions): void {
  assertSource(options.source)
  const server = readServer(options.server)
  const { clientCertificate = 'svid' } = options
  reader.asOneOf('clientCertificate', clientCertificate, CLIENT_CERTIFICATES)
  if (clientCertificate === 'none' && server instanceof WebPki) {
    const message = 'clientCertificate must be "svid" with a server of the Web PKI'
    throw new TlsError('invalid-option', `${message}: without both, no SPIFFE ID is involved`)
  }
  if (options.timeoutMs !== undefined) {
    reader.asInteger('timeoutMs', options.timeoutMs, { min: 1, max: MAX_TIMER_MS })
  }
  if (options.minVersion !== undefined) {
    reader.asOneOf('minVersion', options.minVersion, MIN_VERSIONS)
  }
  if (options.clockSkewMs !== undefined) assertClockSkew(options.clockSkewMs)
  const { allowIntermediatesOfOtherTrustDomains: allows = false } = options
  reader.asOneOf('allowIntermediatesOfOtherTrustDomains', allows, [true, false])
  revocationPolicies(options.revocation)
}

/** @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option` */
export function assertConnectOptions(options: ConnectOptions): void {
  assertKnownOptions(options, connectOptionNames, 'connect')
  assertConnectorOptions(options)
  // Checked here, because Node's errors quote the value of each of these.
  const { host, port, servername, localAddress, family, lookup } = options
  if (!isHost(host)) {
    throw new TlsError('invalid-option', 'host must be a host name or an IP address')
  }
  reader.asInteger('port', port, { min: 1, max: 65_535 })
  if (servername !== undefined && !isHost(servername)) {
    throw new TlsError('invalid-option', 'servername must be a host name')
  }
  if (localAddress !== undefined && isIP(localAddress) === 0) {
    throw new TlsError('invalid-option', 'localAddress must be an IP address')
  }
  if (family !== undefined) reader.asOneOf('family', family, [0, 4, 6])
  if (lookup !== undefined && typeof lookup !== 'function') {
    reader.refuse('lookup', lookup, 'must be a function')
  }
  if (options.socket !== undefined) assertGivenSocket(options)
}

function assertGivenSocket({ socket, ...others }: ConnectOptions): void {
  // Not by its class: tunnels may be made of streams that are not Node's own.
  const isDuplex = hasMethods(socket, ['read', 'write', 'on', 'destroy'])
  if (!isDuplex) reader.refuse('socket', socket, 'must be a duplex stream')
  for (const name of ['family', 'localAddress', 'lookup'] as const) {
    if (others[name] === undefined) continue
    throw new TlsError('invalid-option', `${name} has no meaning for a socket that is given`)
  }
}

/** Checks the characters only. Whether the host exists is found out by its resolution. */
function isHost(value: unknown): boolean {
  return typeof value === 'string' && (isIP(value) !== 0 || /^[\w.-]{1,253}$/.test(value))
}
