import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { describeName, OptionReader } from '@fastify-spiffe/spiffe/internal'
import type { HealthCheck, NamedCheck } from './checks.ts'
import { HealthError } from './errors.ts'

/** What writes metrics, such as the `Registry` of prom-client. */
export interface MetricsRegistry {
  /** The media type of what `metrics()` returns. */
  readonly contentType: string
  metrics(): string | Promise<string>
}

/** A check whose failure may mean less than that the service gets no traffic. */
export interface HealthCheckOptions {
  /** What is asked. */
  readonly check: HealthCheck
  /** `true`: the service is unready without it. `false`: it is degraded. */
  readonly isRequired: boolean
}

/** Options of the plugin `health`. Each has a default. */
export interface HealthOptions {
  /**
   * The address that the probes' port is opened at. Default `127.0.0.1`: only this machine reaches it. A kubelet
   * probes the address of the pod: `0.0.0.0`, or `::` for IPv6 as well.
   */
  readonly host?: string
  /** The port for probes, plain HTTP. 0: any that is free. Default 8081. */
  readonly port?: number
  /** The source of the service's own SVID. Default: that of `spiffeServer`. */
  readonly source?: X509MaterialSource
  /**
   * What else the service needs, by name: a function, which is required, or an object that says whether it is. Each runs
   * for `/readyz`, at most once a second. At most 32. Names are visible to everybody who reaches the port. Default none.
   */
  readonly checks?: Readonly<Record<string, HealthCheck | HealthCheckOptions>>
  /** How long a check may take, in ms: less than the deadline of the probe. Default 500. */
  readonly checkTimeoutMs?: number
  /**
   * How long the supply of SVID and bundles may be interrupted before the service is unready, in ms. Default
   * `Infinity`: the last SVID serves on until it expires.
   */
  readonly maxInterruptionMs?: number
  /** What is served at `/metrics`. Default: nothing is. */
  readonly metrics?: MetricsRegistry
  /**
   * How long the service serves on after it was told to end, in ms, with `/readyz` answering 503: as long as load
   * balancers take to hear of it. Default 5,000.
   */
  readonly drainMs?: number
  /** The signals that end the service, such as `['SIGTERM']`. Default none: call `fastify.health.end()`. */
  readonly endOn?: readonly NodeJS.Signals[]
  /** The time in ms since the epoch. Default `Date.now`. */
  readonly clock?: () => number
}

/** The options with all defaults. `null`: not given. */
export interface HealthSettings {
  readonly host: string
  readonly port: number
  readonly source: X509MaterialSource | null
  readonly checks: readonly NamedCheck[]
  readonly checkTimeoutMs: number
  readonly maxInterruptionMs: number
  readonly metrics: MetricsRegistry | null
  readonly drainMs: number
  readonly endOn: readonly NodeJS.Signals[]
  readonly clock: () => number
}

const names: readonly (keyof HealthOptions)[] = [
  'host',
  'port',
  'source',
  'checks',
  'checkTimeoutMs',
  'maxInterruptionMs',
  'metrics',
  'drainMs',
  'endOn',
  'clock',
]

const MAX_CHECKS = 32
/** What is safe to show in JSON and in logs. */
const CHECK_NAME = /^[\w.-]{1,64}$/
/** Those that a process can hear, and that ask it to end. */
const END_SIGNALS: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']

const reader: OptionReader = new OptionReader(HealthError)

/** @throws {@link HealthError} `unknown-option` or `invalid-option` */
export function readOptions(options: HealthOptions): HealthSettings {
  reader.assertKnown('health', options, [...names, ...FASTIFY_OPTION_NAMES])
  const { host, port, source, checks = {}, checkTimeoutMs, drainMs, endOn = [], clock } = options
  return {
    host: reader.read('host', host, '127.0.0.1', isHost, 'must be the address to listen at'),
    port: reader.asInteger('port', port, { min: 0, max: 65_535, defaultValue: 8081 }),
    source: source === undefined ? null : readSource(source),
    checks: readChecks(checks),
    checkTimeoutMs: reader.asDuration('checkTimeoutMs', checkTimeoutMs, {
      min: 1,
      max: 60_000,
      defaultValue: 500,
    }),
    maxInterruptionMs: reader.asDuration('maxInterruptionMs', options.maxInterruptionMs, {
      min: 0,
      max: Infinity,
      defaultValue: Infinity,
    }),
    metrics: options.metrics === undefined ? null : readMetrics(options.metrics),
    drainMs: reader.asDuration('drainMs', drainMs, { min: 0, max: 600_000, defaultValue: 5_000 }),
    endOn: readSignals(endOn),
    clock: reader.asFunction('clock', clock, Date.now),
  }
}

function isHost(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function readSource(value: X509MaterialSource): X509MaterialSource {
  return reader.read('source', value, undefined, isSource, 'must be a source, awaited')
}

function isSource(value: X509MaterialSource | null): boolean {
  return typeof value === 'object' && value !== null && 'svid' in value && 'bundles' in value
}

function readChecks(checks: NonNullable<HealthOptions['checks']>): readonly NamedCheck[] {
  if (typeof checks !== 'object' || checks === null) {
    return reader.refuse('checks', checks, 'must be an object')
  }
  const entries = Object.entries(checks)
  if (entries.length > MAX_CHECKS) reader.refuse('checks', checks, `may be at most ${MAX_CHECKS}`)
  return entries.map(([name, given]) => readCheck(name, given))
}

function readCheck(name: string, given: HealthCheck | HealthCheckOptions): NamedCheck {
  const key = `checks.${describeName(name)}`
  if (!CHECK_NAME.test(name)) {
    reader.refuse(key, given, 'must have a name of letters, digits, ".", "-" and "_"')
  }
  if (typeof given === 'function') return { name, check: given, isRequired: true }
  if (typeof given !== 'object' || given === null) {
    return reader.refuse(key, given, 'must be a function, or an object with check and isRequired')
  }
  reader.assertKnown(key, given, ['check', 'isRequired'])
  const { check, isRequired } = given
  if (typeof check !== 'function') reader.refuse(`${key}.check`, check, 'must be a function')
  return { name, check, isRequired: reader.asBoolean(`${key}.isRequired`, isRequired, true) }
}

function readMetrics(value: MetricsRegistry): MetricsRegistry {
  const isRegistry = (given: Partial<MetricsRegistry> | null): boolean =>
    typeof given?.contentType === 'string' && typeof given.metrics === 'function'
  const rule = 'must have contentType and metrics(), as a Registry of prom-client has'
  return reader.read('metrics', value, undefined, isRegistry, rule)
}

function readSignals(value: readonly NodeJS.Signals[]): readonly NodeJS.Signals[] {
  const isKnown = (signal: NodeJS.Signals): boolean => END_SIGNALS.includes(signal)
  if (Array.isArray(value) && value.every(isKnown)) return [...new Set(value)]
  return reader.refuse('endOn', value, `must be a list of ${END_SIGNALS.join(', ')}`)
}
