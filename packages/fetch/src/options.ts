import type { SetTimer, X509MaterialSource } from '@fastify-spiffe/spiffe'
import { MAX_TIMER_MS, OptionReader, setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import type { OutgoingTokens } from '@fastify-spiffe/tls'
import {
  assertConnectorOptions,
  BearerTokens,
  connectorOptionNames,
  readServer,
  type Connector,
  type ConnectorOptions,
} from '@fastify-spiffe/tls/internal'
import type { Pool } from 'undici'
import type { ChainHeadersFor } from './chain-headers.ts'
import { FetchError } from './errors.ts'
import { defaultUndici, isUndici, type Undici, type UndiciModule } from './undici.ts'

/** Options of undici's `Pool` that concern neither identity nor trust. They have undici's names, units and defaults. */
export type PoolOptions = Pick<
  Pool.Options,
  | 'bodyTimeout'
  | 'clientTtl'
  | 'connections'
  | 'headersTimeout'
  | 'keepAliveMaxTimeout'
  | 'keepAliveTimeout'
  | 'keepAliveTimeoutThreshold'
  | 'maxConcurrentStreams'
  | 'maxHeaderSize'
  | 'maxRequestsPerClient'
  | 'maxResponseSize'
>

/** Options of `createDispatcher`. `source` and `server` are required. */
export interface DispatcherOptions extends ConnectorOptions {
  /**
   * Whether to offer HTTP/2 beside HTTP/1.1; the server chooses. Default `false`: with undici 7, a server that ends an
   * HTTP/2 connection gracefully makes the requests fail that are running on it.
   */
  readonly http2?: boolean
  /**
   * Makes the headers that say on whose behalf each request is sent, such as `chainHeaders` of
   * `@fastify-spiffe/chain`. It is called when a request is dispatched, in the context of its caller, with the SPIFFE ID
   * that `server` is then; what it throws is the error of the request. Default: none are sent.
   */
  readonly chainHeaders?: ChainHeadersFor
  /**
   * Presents a JWT-SVID to the origins that it names, and to no other one that a redirect leads to. The token is asked for when a
   * request is dispatched; a request without its token is not sent, and fails with `TlsError` `no-token`. Default: none.
   */
  readonly jwt?: OutgoingTokens
  /**
   * How long requests may go on that run while their server's proof ends, or while the own SVID is withdrawn, in ms.
   * Default 10,000.
   */
  readonly graceMs?: number
  /** How long requests may go on that run while the own SVID is renewed, in ms. Default 300,000. */
  readonly rotationGraceMs?: number
  /** Options of undici's `Pool`, one for each origin. Default: undici's. */
  readonly pool?: PoolOptions
  /**
   * The module `undici` to use, version 7 or 8. Default: version 7, which the built-in `fetch` of Node 20 to 26 accepts;
   * version 8 only works with its own `fetch` and that of Node 26.
   */
  readonly undici?: UndiciModule
  /** Sets a timer, for tests. Default: one of Node that does not keep the process alive. */
  readonly setTimer?: SetTimer
}

/** {@link DispatcherOptions} that were checked. */
export interface Settings {
  readonly connector: Connector
  readonly source: X509MaterialSource
  readonly presentsSvid: boolean
  readonly http2: boolean
  readonly chainHeaders: ChainHeadersFor | undefined
  /** The SPIFFE ID of the server, with `chainHeaders`. */
  readonly audience?: string | undefined
  /** `null`: no request carries a token. */
  readonly tokens: BearerTokens | null
  readonly graceMs: number
  readonly rotationGraceMs: number
  readonly pool: PoolOptions
  readonly undici: Undici
  readonly clock: () => number
  readonly setTimer: SetTimer
}

const OWN_OPTIONS = [
  'http2',
  'chainHeaders',
  'jwt',
  'graceMs',
  'rotationGraceMs',
  'pool',
  'undici',
  'setTimer',
] as const satisfies (keyof DispatcherOptions)[]

/** By name, the smallest value that undici takes. */
const POOL_OPTIONS: ReadonlyMap<string, number> = new Map(
  Object.entries({
    bodyTimeout: 0,
    clientTtl: 0,
    connections: 1,
    headersTimeout: 0,
    keepAliveMaxTimeout: 1,
    keepAliveTimeout: 1,
    keepAliveTimeoutThreshold: 0,
    maxConcurrentStreams: 1,
    maxHeaderSize: 1,
    maxRequestsPerClient: 0,
    maxResponseSize: -1,
  } satisfies Record<keyof PoolOptions, number>),
)

const NULLABLE: ReadonlySet<string> = new Set(['clientTtl', 'connections'])

const reader: OptionReader = new OptionReader(FetchError)

/** @throws {@link FetchError} `unknown-option` or `invalid-option`; `TlsError` `invalid-option` */
export function readOptions(options: DispatcherOptions): Settings {
  if (typeof options !== 'object' || options === null) {
    reader.refuse('createDispatcher', options, 'must be given its options')
  }
  reader.assertKnown('createDispatcher', options, [...connectorOptionNames, ...OWN_OPTIONS])
  const { http2, chainHeaders, jwt, graceMs, rotationGraceMs, ...others } = options
  const { pool, undici, setTimer, ...connection } = others
  assertConnectorOptions(connection)
  const server = readServer(connection.server)
  const duration = { min: 0, max: MAX_TIMER_MS }
  return {
    connector: { ...connection, server },
    source: connection.source,
    presentsSvid: connection.clientCertificate !== 'none',
    http2: reader.asBoolean('http2', http2, false),
    chainHeaders: chainHeaders && reader.asFunction('chainHeaders', chainHeaders, chainHeaders),
    tokens: jwt === undefined ? null : new BearerTokens(jwt),
    graceMs: reader.asDuration('graceMs', graceMs, { ...duration, defaultValue: 10_000 }),
    rotationGraceMs: reader.asDuration('rotationGraceMs', rotationGraceMs, {
      ...duration,
      defaultValue: 300_000,
    }),
    pool: readPool(pool),
    undici: readUndici(undici),
    clock: reader.asFunction('clock', connection.clock, Date.now),
    setTimer: reader.asFunction('setTimer', setTimer, setUnreferencedTimer),
  }
}

function readPool(pool: PoolOptions = {}): PoolOptions {
  if (typeof pool !== 'object' || pool === null) reader.refuse('pool', pool, 'must be an object')
  reader.assertKnown('pool', pool, POOL_OPTIONS.keys())
  for (const [name, value] of Object.entries(pool)) {
    if (value === undefined || (value === null && NULLABLE.has(name))) continue
    if (value === null) reader.refuse(`pool.${name}`, value, 'must be a number')
    const range = { min: POOL_OPTIONS.get(name) ?? 0, max: Number.MAX_SAFE_INTEGER }
    reader.asInteger(`pool.${name}`, value, range)
  }
  // A copy: what the application changes later was not checked.
  return { ...pool }
}

function readUndici(undici: UndiciModule = defaultUndici): Undici {
  return isUndici(undici) ? undici : reader.refuse('undici', undici, 'must be the module undici')
}
