import type { ServerOptions as Http1Options } from 'node:http'
import type { SecureServerOptions as Http2Options } from 'node:http2'
import {
  type RevocationOptions,
  type RevocationPolicy,
  type SetTimer,
} from '@fastify-spiffe/spiffe'
import { hasMethods, MAX_TIMER_MS, setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import { MIN_VERSIONS, type MinVersion } from '../context/context-options.ts'
import { TlsError } from '../errors.ts'
import { assertClockSkew, assertKnownOptions, reader, revocationPolicies } from '../options.ts'
import type { ClientCertificateMode, OnPeerExpiry } from './modes.ts'
import type { Http2Service } from './shared-port.ts'

/** Options of Node's HTTP servers that are passed on unchanged. None of them concerns TLS. */
export type HttpOptions = Pick<Http1Options, Extract<keyof Http1Options, HttpOptionName>> &
  Pick<Http2Options, Extract<keyof Http2Options, HttpOptionName>>

/** Options of `createSvidServer`. Each has a default. */
export interface SvidServerOptions {
  /** Whether the server speaks HTTP/2. Default `false`. */
  readonly http2?: boolean
  /** With `http2`: whether it also speaks HTTP/1.1, as the client chooses. Default `false`. */
  readonly allowHTTP1?: boolean
  /**
   * `required`: a connection without a certificate is rejected. `optional`: it is accepted, and its peer
   * is `null`. A certificate that does not verify is rejected in both modes. Default `required`.
   */
  readonly clientCertificate?: ClientCertificateMode
  /** The lowest TLS version that the server accepts. Default `TLSv1.3`. */
  readonly minVersion?: MinVersion
  /**
   * How long after a handshake its session may be resumed, in ms: 0, or from 1,000 to 3,600,000, rounded
   * down to seconds. Resumption saves about a quarter of the CPU time of a new connection, for clients
   * that connect often. The certificate of each resumed connection is checked again: by the cached
   * verdict of the handshake while that is valid, otherwise by verifying the leaf alone; if that fails,
   * the connection is rejected. The client does not prove again that it has the private key.
   *
   * Needs `clientCertificate: 'required'`. Default 0: no session is resumed.
   */
  readonly sessionTicketLifetimeMs?: number
  /** How long a TLS handshake may take, in ms. Default 10,000. */
  readonly handshakeTimeoutMs?: number
  /** How many verified client certificates are cached, at about 4 KB each. Default 10,000, at most 1,000,000. */
  readonly maxCachedVerdicts?: number
  /**
   * How far the clocks of peers' authorities may differ from ours, in ms, up to 300,000: the certificates
   * of peers are valid so much earlier and longer, and so are cached verdicts and live connections. It
   * applies neither to the own SVID nor to revocation lists. Default 0.
   */
  readonly clockSkewMs?: number
  /**
   * Whether an intermediate may have a SPIFFE ID of another trust domain than the peer. With `true`, trust
   * domains that share a root can issue SVIDs for one another. Default `false`.
   */
  readonly allowIntermediatesOfOtherTrustDomains?: boolean
  /**
   * How the revocation lists of the bundles are used.
   *
   * - `off`: they are ignored.
   * - `soft`: a certificate that a current list of its issuer names is rejected; without a list none is.
   * - `strict`: also, every certificate below the authority has to be covered by a current list of its
   *   issuer. When a list expires and there is no new one, the connections of its peers are closed.
   *
   * `{ default, trustDomains }` sets exceptions by the name of the trust domain. Default `soft`.
   */
  readonly revocation?: RevocationPolicy | RevocationOptions
  /**
   * What happens to a live connection when the SVID of its peer expires or is revoked, its authority
   * leaves the bundle, its trust domain is no longer federated, or `disconnectPeers` names the peer.
   *
   * - `graceful`: after `spiffe:peer:lapsed`, HTTP/2 sends GOAWAY, and an HTTP/1.1 connection is closed
   *   when it is idle; what is left after `graceMs` is destroyed. Closing begins two seconds before an
   *   SVID expires, without the event, so that no request is lost.
   * - `immediate`: the connection is destroyed right after the event. Pending requests are lost.
   * - `ignore`: nothing happens until a caller uses `isCurrent`. Idle connections, streaming responses and
   *   upgraded sockets then stay open for as long as the peer keeps them.
   *
   * Default `graceful`.
   */
  readonly onPeerExpiry?: OnPeerExpiry
  /** How long a connection that is being closed may take, in ms, before it is destroyed. Default 10,000. */
  readonly graceMs?: number
  /**
   * The age at which any connection is closed gracefully, in ms, ± 10 % at random, so that clients
   * reconnect with a new proof, and not all at once. What is left after `graceMs` is destroyed. There is
   * no event. Default `Infinity`: no limit.
   */
  readonly maxConnectionAgeMs?: number
  /**
   * Options of Node's HTTP server, such as `maxHeaderSize` or `settings`. Default: those of Node.
   */
  readonly http?: HttpOptions
  /**
   * What takes the connections whose client speaks HTTP/2 alone, on the same port: a `GrpcServer` of `@fastify-spiffe/grpc`.
   * The server itself then speaks HTTP/1.1, also with clients that offer both; `http2` would leave nothing to tell gRPC and
   * the application apart by, and is refused. Default: none.
   */
  readonly grpc?: Http2Service
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /**
   * Calls back after a delay in ms, and returns a function that cancels. Default: `setTimeout`, unref'd so
   * that it does not keep the process alive.
   */
  readonly setTimer?: SetTimer
  /** A random number from 0 to 1, for `maxConnectionAgeMs`. Default `Math.random`. */
  readonly random?: () => number
}

export interface ServerSettings extends Required<Omit<SvidServerOptions, 'grpc'>> {
  readonly grpc: Http2Service | null
}

const defaults: ServerSettings = {
  http2: false,
  allowHTTP1: false,
  clientCertificate: 'required',
  minVersion: 'TLSv1.3',
  sessionTicketLifetimeMs: 0,
  handshakeTimeoutMs: 10_000,
  maxCachedVerdicts: 10_000,
  clockSkewMs: 0,
  allowIntermediatesOfOtherTrustDomains: false,
  revocation: 'soft',
  onPeerExpiry: 'graceful',
  graceMs: 10_000,
  maxConnectionAgeMs: Infinity,
  http: {},
  grpc: null,
  clock: Date.now,
  setTimer: setUnreferencedTimer,
  random: Math.random,
}

/** The names of all options. */
export const serverOptionNames: readonly string[] = Object.keys(defaults)

const names: ReadonlySet<string> = new Set(serverOptionNames)

/** @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option` */
export function serverSettings(options: SvidServerOptions): ServerSettings {
  assertKnownOptions(options, names, 'createSvidServer')
  const settings: ServerSettings = { ...defaults, ...definedOf(options) }
  reader.asOneOf('http2', settings.http2, [true, false])
  reader.asOneOf('allowHTTP1', settings.allowHTTP1, [true, false])
  reader.asOneOf('clientCertificate', settings.clientCertificate, ['required', 'optional'])
  reader.asOneOf('minVersion', settings.minVersion, MIN_VERSIONS)
  reader.asInteger('handshakeTimeoutMs', settings.handshakeTimeoutMs, { min: 1, max: MAX_TIMER_MS })
  reader.asInteger('maxCachedVerdicts', settings.maxCachedVerdicts, { min: 1, max: 1_000_000 })
  assertClockSkew(settings.clockSkewMs)
  reader.asOneOf(
    'allowIntermediatesOfOtherTrustDomains',
    settings.allowIntermediatesOfOtherTrustDomains,
    [true, false],
  )
  revocationPolicies(settings.revocation)
  assertSessionSettings(settings)
  assertConnectionSettings(settings)
  assertKnownOptions(settings.http, httpNames, 'createSvidServer({ http })')
  assertProtocolSettings(settings)
  return settings
}

function assertProtocolSettings(settings: ServerSettings): void {
  if (settings.allowHTTP1 && !settings.http2) {
    throw new TlsError(
      'invalid-option',
      'allowHTTP1 needs http2: a server without http2 always speaks HTTP/1.1',
    )
  }
  if (settings.grpc === null) return
  reader.read('grpc', settings.grpc, undefined, isService, 'must be a GrpcServer')
  if (!settings.http2) return
  throw new TlsError(
    'invalid-option',
    'grpc cannot share the port of a server with http2: both would speak HTTP/2, and nothing would tell their connections ' +
      'apart. Remove http2, or let the GrpcServer listen on a port of its own',
  )
}

function isService(service: unknown): boolean {
  return hasMethods(service, ['share'])
}

const MAX_SESSION_TICKET_LIFETIME_MS = 3_600_000

function assertSessionSettings(settings: ServerSettings): void {
  const { sessionTicketLifetimeMs: lifetimeMs, clientCertificate } = settings
  if (lifetimeMs === 0) return
  reader.asInteger('sessionTicketLifetimeMs', lifetimeMs, {
    min: 1000,
    max: MAX_SESSION_TICKET_LIFETIME_MS,
  })
  if (clientCertificate === 'required') return
  throw new TlsError(
    'invalid-option',
    "sessionTicketLifetimeMs needs clientCertificate: 'required': a resumed session presents no certificate",
  )
}

function assertConnectionSettings(settings: ServerSettings): void {
  const { onPeerExpiry, graceMs, maxConnectionAgeMs } = settings
  reader.asOneOf('onPeerExpiry', onPeerExpiry, ['graceful', 'immediate', 'ignore'])
  reader.asInteger('graceMs', graceMs, { min: 1, max: MAX_TIMER_MS })
  if (maxConnectionAgeMs === Infinity) return
  reader.asInteger('maxConnectionAgeMs', maxConnectionAgeMs, {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  })
}

function definedOf(options: SvidServerOptions): SvidServerOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

const httpOptionNames = [
  'Http1IncomingMessage',
  'Http1ServerResponse',
  'Http2ServerRequest',
  'Http2ServerResponse',
  'IncomingMessage',
  'ServerResponse',
  'connectionsCheckingInterval',
  'headersTimeout',
  'highWaterMark',
  'insecureHTTPParser',
  'joinDuplicateHeaders',
  'keepAlive',
  'keepAliveInitialDelay',
  'keepAliveTimeout',
  'keepAliveTimeoutBuffer',
  'maxDeflateDynamicTableSize',
  'maxHeaderListPairs',
  'maxHeaderSize',
  'maxOutstandingPings',
  'maxReservedRemoteStreams',
  'maxSendHeaderBlockLength',
  'maxSessionInvalidFrames',
  'maxSessionMemory',
  'maxSessionRejectedStreams',
  'maxSettings',
  'noDelay',
  'optimizeEmptyRequests',
  'origins',
  'paddingStrategy',
  'peerMaxConcurrentStreams',
  'rejectNonStandardBodyWrites',
  'remoteCustomSettings',
  'requestTimeout',
  'requireHostHeader',
  'settings',
  'shouldUpgradeCallback',
  'streamResetBurst',
  'streamResetRate',
  'strictFieldWhitespaceValidation',
  'uniqueHeaders',
  'unknownProtocolTimeout',
] as const

type HttpOptionName = (typeof httpOptionNames)[number]

const httpNames: ReadonlySet<string> = new Set(httpOptionNames)
