import { MAX_CLOCK_SKEW_MS, type Certificate, type SetTimer } from '@fastify-spiffe/spiffe'
import { MAX_TIMER_MS, OptionReader, setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import type { CertIdHash } from './certificate/cert-id.ts'
import { readChain, readResponderUrl, type Pem } from './certificate/own-certificate.ts'
import { OcspError } from './errors.ts'
import type { FollowSettings, NonceMode } from './settings.ts'
import { httpTransport } from './transport/http-transport.ts'
import type { OcspTransport } from './transport/transport.ts'
import { DEFAULT_CLOCK_SKEW_MS, DEFAULT_MAX_AGE_MS } from './verify/verify-ocsp-response.ts'

/** Options of the plugin `ocsp`. Each has a default. */
export interface OcspOptions {
  /**
   * The certificates that the server presents, as a chain in PEM for each, leaf first and its issuer after it. Default: the one
   * that the server was made with. Others are followed from the first handshake on that presents them.
   */
  readonly certificate?: Pem | readonly Pem[]
  /** The certificates of issuers that are not in the chains, in PEM. Default: none. */
  readonly issuer?: Pem
  /** The URL of the responder, `http:` or `https:`. Default: those that the certificate names. */
  readonly responderUrl?: string
  /**
   * The folder in which answers are kept over restarts. It is made if there is none. Default none: after a restart the
   * responder is asked.
   */
  readonly directory?: string
  /** By which hash requests name the issuer; not all responders know SHA-256. Default `sha1`, as RFC 5019 has it. */
  readonly certIdHash?: CertIdHash
  /** How responders are asked; caches on the way keep answers to `GET`. Default `POST`. */
  readonly method?: 'POST' | 'GET'
  /**
   * `sent`: requests have a nonce, and an answer with another one is refused. `required`: one without is refused as well, as
   * most responders send that prepare their answers. Default `off`.
   */
  readonly nonce?: NonceMode
  /** How long an answer may take, in ms. Default 10,000. */
  readonly timeoutMs?: number
  /** How long the start waits for the first answers, in ms: less than Fastify's `pluginTimeout`. Default 5,000. */
  readonly startTimeoutMs?: number
  /** How long after a failure the responder is asked again, in ms; after each further one twice as long, up to an hour. Default 30,000. */
  readonly retryMs?: number
  /** How far the clock of the responder may be from ours, in ms, up to 300,000. Default 60,000. */
  readonly clockSkewMs?: number
  /** How long ago `thisUpdate` of an answer may be, in ms. Default 864,000,000: ten days. */
  readonly maxAgeMs?: number
  /** Whether an answer that says `revoked` is stapled. Default `false`: nothing is. */
  readonly stapleRevoked?: boolean
  /** Whether to start without the staple that the certificate demands: clients refuse the server. Default `false`. */
  readonly allowStartWithoutStaple?: boolean
  /** How requests are sent, such as through a proxy. Default: by HTTP, on a connection of their own. */
  readonly transport?: OcspTransport
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
  /** Sets a timer, for tests. Default: one of Node that does not keep the process alive. */
  readonly setTimer?: SetTimer
  /** A number from 0 to 1, for the jitter. Default `Math.random`. */
  readonly random?: () => number
}

/** Options of `OcspStapler.open`. `certificate` is required. */
export interface OcspStaplerOptions extends OcspOptions {
  /** The certificates that servers present, as a chain in PEM for each, leaf first and its issuer after it. */
  readonly certificate: Pem | readonly Pem[]
}

/** {@link OcspOptions} that were checked. */
export interface StaplerSettings extends Omit<FollowSettings, 'store' | 'report'> {
  readonly certificates: readonly Pem[]
  readonly issuers: readonly Certificate[]
  /** `null`: those of the certificates. */
  readonly responderUrl: URL | null
  /** `null`: nothing is stored. */
  readonly directory: string | null
  readonly startTimeoutMs: number
  readonly allowStartWithoutStaple: boolean
}

/** The names of {@link OcspOptions}. */
export const optionNames: readonly (keyof OcspOptions)[] = [
  'certificate',
  'issuer',
  'responderUrl',
  'directory',
  'certIdHash',
  'method',
  'nonce',
  'timeoutMs',
  'startTimeoutMs',
  'retryMs',
  'clockSkewMs',
  'maxAgeMs',
  'stapleRevoked',
  'allowStartWithoutStaple',
  'transport',
  'clock',
  'setTimer',
  'random',
]

/** Reads the options of this package. */
export const reader: OptionReader = new OptionReader(OcspError)

/** The largest `maxAgeMs`: ten years. */
export const MAX_AGE_MS: number = 10 * 365 * 86_400_000

/** @throws {@link OcspError} `unknown-option`, `invalid-option` or `no-certificate` */
export function readOptions(options: OcspStaplerOptions): StaplerSettings {
  reader.assertKnown('OcspStapler', options, optionNames)
  const { issuer, stapleRevoked, allowStartWithoutStaple } = options
  return {
    ...readTimes(options),
    ...readRequests(options),
    certificates: readCertificates(options.certificate),
    issuers: issuer === undefined ? [] : readChain(readPem('issuer', issuer)),
    directory: readDirectory(options.directory),
    stapleRevoked: reader.asBoolean('stapleRevoked', stapleRevoked, false),
    allowStartWithoutStaple: reader.asBoolean(
      'allowStartWithoutStaple',
      allowStartWithoutStaple,
      false,
    ),
    clock: reader.asFunction('clock', options.clock, Date.now),
    setTimer: reader.asFunction('setTimer', options.setTimer, setUnreferencedTimer),
    random: reader.asFunction('random', options.random, Math.random),
  }
}

type Times = Pick<
  StaplerSettings,
  'timeoutMs' | 'startTimeoutMs' | 'retryMs' | 'clockSkewMs' | 'maxAgeMs'
>

function readTimes(options: OcspOptions): Times {
  const duration = (key: keyof Times, min: number, max: number, defaultValue: number): number =>
    reader.asDuration(key, options[key], { min, max, defaultValue })
  return {
    timeoutMs: duration('timeoutMs', 1, MAX_TIMER_MS, 10_000),
    startTimeoutMs: duration('startTimeoutMs', 0, MAX_TIMER_MS, 5_000),
    retryMs: duration('retryMs', 1_000, 86_400_000, 30_000),
    clockSkewMs: duration('clockSkewMs', 0, MAX_CLOCK_SKEW_MS, DEFAULT_CLOCK_SKEW_MS),
    maxAgeMs: duration('maxAgeMs', 60_000, MAX_AGE_MS, DEFAULT_MAX_AGE_MS),
  }
}

type Requests = Pick<
  StaplerSettings,
  'responderUrl' | 'certIdHash' | 'method' | 'nonce' | 'transport'
>

function readRequests({ responderUrl, ...options }: OcspOptions): Requests {
  return {
    responderUrl: responderUrl === undefined ? null : readUrl(responderUrl),
    certIdHash: reader.asOneOf('certIdHash', options.certIdHash, ['sha1', 'sha256'], 'sha1'),
    method: reader.asOneOf('method', options.method, ['POST', 'GET'], 'POST'),
    nonce: reader.asOneOf('nonce', options.nonce, ['off', 'sent', 'required'], 'off'),
    transport: reader.asFunction('transport', options.transport, httpTransport),
  }
}

function readCertificates(value: Pem | readonly Pem[]): readonly Pem[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value]
  if (list.length === 0) reader.refuse('certificate', value, 'must be a certificate in PEM')
  return list.map((pem) => readPem('certificate', pem))
}

function readPem(key: string, value: unknown): Pem {
  if (typeof value === 'string' || value instanceof Uint8Array) return value
  return reader.refuse(key, value, 'must be a certificate in PEM')
}

function readUrl(value: unknown): URL {
  const url = typeof value === 'string' ? readResponderUrl(value) : null
  return (
    url ??
    reader.refuse('responderUrl', value, 'must be an http: or https: URL without a user name')
  )
}

function isPath(value: string): boolean {
  return typeof value === 'string' && value !== '' && !value.includes('\0')
}

function readDirectory(value: string | undefined): string | null {
  if (value === undefined) return null
  return reader.read('directory', value, undefined, isPath, 'must be the path of a folder')
}
