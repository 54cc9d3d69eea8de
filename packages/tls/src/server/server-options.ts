import type { ServerOptions as Http1Options } from 'node:http'
import type { SecureServerOptions as Http2Options } from 'node:http2'
import {
  type RevocationOptions,
  type RevocationPolicy,
  type SetTimer,
} from '@fastify-spiffe/spiffe'
import { MAX_TIMER_MS, setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import { MIN_VERSIONS, type MinVersion } from '../context/context-options.ts'
import { TlsError } from '../errors.ts'
import {
  assertClockSkew,
  assertInteger,
  assertKnownOptions,
  assertOneOf,
  assertPositiveInteger,
  revocationPolicies,
} from '../options.ts'
import type { ClientCertificateMode } from './acceptor.ts'
import type { OnPeerExpiry } from './connection-registry.ts'

/** Options of Node's HTTP layer that are passed on as they are. None of them touches TLS. */
export type HttpOptions = Pick<Http1Options, Extract<keyof Http1Options, HttpOptionName>> &
  Pick<Http2Options, Extract<keyof Http2Options, HttpOptionName>>

export interface SvidServerOptions {
  /** Speak HTTP/2. Default false. */
  readonly http2?: boolean
  /** With `http2`: also speak HTTP/1.1, as the client chooses. Default false. */
  readonly allowHTTP1?: boolean
  /**
   * `required`: a connection without a certificate is cut. `optional`: it lives, and its peer is
   * `null`. A certificate that does not verify is cut in both cases. Default `required`.
   */
  readonly clientCertificate?: ClientCertificateMode
  /** Default `TLSv1.3`. */
  readonly minVersion?: MinVersion
  /**
   * For how long after a handshake its session may be resumed, in ms, by the second: 0, or from 1,000
   * to 3,600,000. It saves about a quarter of the CPU of a new connection, for clients that connect often.
   * Each resumed connection is judged anew by its certificate: from the verdict of the handshake while
   * that holds and is remembered, else from the leaf alone, else it is cut. A client does not show
   * again that it has the key of its certificate.
   *
   * Needs `clientCertificate: 'required'`. Default 0: no session is resumed.
   */
  readonly sessionTicketLifetimeMs?: number
  /** How long a handshake may take, in ms. Default 10,000. */
  readonly handshakeTimeoutMs?: number
  /** How many verified client certificates are remembered, at about 4 KB each. Default 10,000. */
  readonly maxCachedVerdicts?: number
  /**
   * How far the clocks of peers' authorities may be from ours, in ms, up to 300,000: a certificate of a
   * peer counts by so much earlier and longer. Remembered proofs and live connections end with that time
   * too. It never concerns the own SVID, nor revocation lists. Default 0.
   */
  readonly clockSkewMs?: number
  /**
   * Whether an intermediate whose SPIFFE ID is of another trust domain than the peer's is let in. It
   * gives up that trust domains below one root cannot issue for one another. Default `false`.
   */
  readonly allowIntermediatesOfOtherTrustDomains?: boolean
  /**
   * What the revocation lists of the bundles mean.
   *
   * - `off`: they are not looked at.
   * - `soft`: what a current list of its issuer names is refused; without such a list nobody is.
   * - `strict`: besides, every certificate below the authority has to be covered by a current list of
   *   its issuer. When a list runs out and no new one has come, its peers are sent away.
   *
   * `{ default, trustDomains }` makes exceptions by the name of the trust domain. Default `soft`.
   */
  readonly revocation?: RevocationPolicy | RevocationOptions
  /**
   * What becomes of a live connection when the SVID of its peer expires or is revoked, the authority
   * that vouches for it leaves the bundle, its trust domain is no longer federated, or the peer is
   * disconnected.
   *
   * - `graceful`: HTTP/2 gets GOAWAY, an idle HTTP/1.1 connection is ended, a busy one after its
   *   response; what is left after `graceMs` is cut. `spiffe:peer:lapsed` is published first. Two
   *   seconds before an SVID expires its connections are told already, so that no request is lost.
   * - `immediate`: it is cut, right after the event. Requests under way are lost.
   * - `ignore`: nothing happens until someone asks `isCurrent`. That gives up idle connections,
   *   streaming responses and upgraded sockets: they live on for as long as the peer likes.
   *
   * Default `graceful`.
   */
  readonly onPeerExpiry?: OnPeerExpiry
  /** How long a connection that was told to go may take, in ms, before it is cut. Default 10,000. */
  readonly graceMs?: number
  /**
   * The age, in ms and ± 10 % at random, at which any connection is sent away gracefully, so that
   * clients come back with fresh proof, and not all at once. What still runs `graceMs` later is cut,
   * without an event. Default `Infinity`: no age.
   */
  readonly maxConnectionAgeMs?: number
  /** Options for Node's HTTP layer, such as `maxHeaderSize` or `settings`. */
  readonly http?: HttpOptions
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /**
   * Calls back after a delay in ms, and returns how to prevent it. Default: `setTimeout`, without
   * keeping the process alive.
   */
  readonly setTimer?: SetTimer
  /** A number from 0 to 1, for the age of connections. Default `Math.random`. */
  readonly random?: () => number
}

export type ServerSettings = Required<SvidServerOptions>

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
  clock: Date.now,
  setTimer: setUnreferencedTimer,
  random: Math.random,
}

/** The names of all options. */
export const serverOptionNames: readonly string[] = Object.keys(defaults)

const names: ReadonlySet<string> = new Set(serverOptionNames)

/** @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option` */
export const serverSettings = (options: SvidServerOptions): ServerSettings => {
  assertKnownOptions(options, names, 'createSvidServer')
  const settings: ServerSettings = { ...defaults, ...definedOf(options) }
  assertOneOf('http2', settings.http2, [true, false])
  assertOneOf('allowHTTP1', settings.allowHTTP1, [true, false])
  assertOneOf('clientCertificate', settings.clientCertificate, ['required', 'optional'])
  assertOneOf('minVersion', settings.minVersion, MIN_VERSIONS)
  assertPositiveInteger('handshakeTimeoutMs', settings.handshakeTimeoutMs, MAX_TIMER_MS)
  assertPositiveInteger('maxCachedVerdicts', settings.maxCachedVerdicts, 1_000_000)
  assertClockSkew(settings.clockSkewMs)
  assertOneOf(
    'allowIntermediatesOfOtherTrustDomains',
    settings.allowIntermediatesOfOtherTrustDomains,
    [true, false],
  )
  revocationPolicies(settings.revocation)
  assertSessionSettings(settings)
  assertConnectionSettings(settings)
  assertKnownOptions(settings.http, httpNames, 'createSvidServer({ http })')
  if (settings.allowHTTP1 && !settings.http2) {
    throw new TlsError(
      'invalid-option',
      'allowHTTP1 needs http2: a server without it speaks HTTP/1.1',
    )
  }
  return settings
}

const MAX_SESSION_TICKET_LIFETIME_MS = 3_600_000

const assertSessionSettings = (settings: ServerSettings): void => {
  const { sessionTicketLifetimeMs: lifetimeMs, clientCertificate } = settings
  if (lifetimeMs === 0) return
  assertInteger('sessionTicketLifetimeMs', lifetimeMs, 1000, MAX_SESSION_TICKET_LIFETIME_MS)
  if (clientCertificate === 'required') return
  throw new TlsError(
    'invalid-option',
    "sessionTicketLifetimeMs needs clientCertificate: 'required': who resumes a session shows no certificate",
  )
}

const assertConnectionSettings = (settings: ServerSettings): void => {
  const { onPeerExpiry, graceMs, maxConnectionAgeMs } = settings
  assertOneOf('onPeerExpiry', onPeerExpiry, ['graceful', 'immediate', 'ignore'])
  assertPositiveInteger('graceMs', graceMs, MAX_TIMER_MS)
  if (maxConnectionAgeMs === Infinity) return
  assertPositiveInteger('maxConnectionAgeMs', maxConnectionAgeMs, Number.MAX_SAFE_INTEGER)
}

const definedOf = (options: SvidServerOptions): SvidServerOptions =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))

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
