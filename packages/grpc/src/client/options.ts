import { isIP } from 'node:net'
import type { ChannelOptions } from '@grpc/grpc-js'
import {
  type MatcherInput,
  type SetTimer,
  SpiffeError,
  SpiffeId,
  toMatcher,
} from '@fastify-spiffe/spiffe'
import { isObject, MAX_TIMER_MS, setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import type { TlsOptionsOptions, TokenProvider } from '@fastify-spiffe/tls'
import { type ProvideToken, readProvider, tlsOptionNames } from '@fastify-spiffe/tls/internal'
import { GrpcError } from '../errors.ts'
import { reader } from '../option-reader.ts'

/** What `SvidChannel` and `createGrpcClient` take. `target`, `source` and `server` are required. */
export interface SvidChannelOptions extends Omit<TlsOptionsOptions, 'server'> {
  /** Where the service is, as gRPC names it: `billing.internal:8443`, `dns:///billing:8443`. */
  readonly target: string
  /**
   * Which SPIFFE IDs the server may have: a matcher, or a SPIFFE ID or pattern as a string, such as
   * `'spiffe://example.org/billing'`. Required: there is no safe default. The name in `target` is not compared.
   */
  readonly server: MatcherInput
  /**
   * Makes the metadata that says on whose behalf a call is made, such as `chainHeaders` of `@fastify-spiffe/chain`. It is
   * called when a call starts, in the context of its caller, with the SPIFFE ID that `server` has to be then. A call for which
   * it throws is not sent: it fails with FAILED_PRECONDITION, and the error as `cause`. Default: none is sent.
   */
  readonly chainHeaders?: (audience: string) => object
  /**
   * Presents a JWT-SVID for `audience` with each call, as metadata `authorization`. The token is requested for each
   * call, after the server has proven its identity. A call without its token is not sent: it fails with UNAUTHENTICATED.
   * Default: none.
   */
  readonly jwt?: { readonly audience: string; readonly tokens: TokenProvider }
  /**
   * The age at which a connection is replaced, in ms. Its calls may go on for `graceMs`; then they are cancelled with the
   * status UNAVAILABLE, so that streams which never end are opened again, with the SVID of then. Default `Infinity`.
   */
  readonly maxConnectionAgeMs?: number
  /**
   * How long calls may go on when trust in their server has ended, or its connection has reached `maxConnectionAgeMs`, in
   * ms. Default 10,000.
   */
  readonly graceMs?: number
  /** Options of channels of gRPC. Default: those of gRPC, without a proxy of the environment. */
  readonly grpc?: ChannelOptions
  /**
   * Calls back after a delay in ms, and returns a function that cancels. Default: `setTimeout`, unref'd so that it does not
   * keep the process alive.
   */
  readonly setTimer?: SetTimer
}

/** The options, checked and complete. */
export interface ChannelSettings {
  readonly target: string
  readonly tls: TlsOptionsOptions
  /** `null`: none is sent. */
  readonly chainHeaders: (() => object) | null
  /** `null`: calls carry no token. */
  readonly jwt: { readonly audience: string; readonly provide: ProvideToken } | null
  readonly maxConnectionAgeMs: number
  readonly graceMs: number
  readonly grpc: ChannelOptions
  readonly clock: () => number
  readonly setTimer: SetTimer
}

const NAMES: readonly string[] = [
  ...tlsOptionNames,
  'target',
  'chainHeaders',
  'jwt',
  'maxConnectionAgeMs',
  'graceMs',
  'grpc',
  'setTimer',
]

/** RFC 2606 §2: a name that is nobody's. */
const NO_NAME = 'server.invalid'

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {GrpcError} `unknown-option`, `invalid-option`
 */
export function readChannelOptions(options: SvidChannelOptions): ChannelSettings {
  reader.assertKnown('SvidChannel', options, NAMES)
  const { target, grpc, setTimer, maxConnectionAgeMs, graceMs, ...others } = options
  const { server, chainHeaders, jwt, ...tls } = others
  const clock = reader.asFunction('clock', options.clock, Date.now)
  return {
    target: reader.read('target', target, undefined, isTarget, 'must be an address as gRPC has it'),
    // Checked where they are used.
    tls: { ...tls, server: readServer(server), clock },
    chainHeaders: chainHeaders === undefined ? null : readChainHeaders(chainHeaders, server),
    jwt: jwt === undefined ? null : readJwt(jwt),
    maxConnectionAgeMs: readAge(maxConnectionAgeMs),
    graceMs: reader.asInteger('graceMs', graceMs, {
      min: 1,
      max: MAX_TIMER_MS,
      defaultValue: 10_000,
    }),
    grpc: {
      ...defaultsFor(target),
      ...reader.read('grpc', grpc, {}, isObject, 'must be an object'),
    },
    clock,
    setTimer: reader.asFunction('setTimer', setTimer, setUnreferencedTimer),
  }
}

function readServer(server: MatcherInput): MatcherInput {
  try {
    return toMatcher(server)
  } catch (cause) {
    if (!(cause instanceof SpiffeError)) throw cause
    throw new GrpcError('invalid-option', `server: ${cause.message}`, { cause })
  }
}

/** A token for whoever answers would be one for anybody. */
function readChainHeaders(
  chainHeaders: (audience: string) => object,
  server: unknown,
): () => object {
  reader.asFunction('chainHeaders', chainHeaders, chainHeaders)
  const text = server instanceof SpiffeId || typeof server === 'string' ? server.toString() : ''
  const parsed = SpiffeId.safeParse(text)
  if (parsed.ok) return () => chainHeaders(parsed.value.toString())
  const message = 'with chainHeaders, server must be one SPIFFE ID, and no pattern or matcher'
  throw new GrpcError('invalid-option', message)
}

function readJwt(jwt: NonNullable<SvidChannelOptions['jwt']>): ChannelSettings['jwt'] {
  if (!isObject(jwt)) reader.refuse('jwt', jwt, 'must be an object with audience and tokens')
  reader.assertKnown('jwt', jwt, ['audience', 'tokens'])
  const { audience, tokens } = jwt
  if (typeof audience !== 'string' || audience === '') {
    reader.refuse('jwt.audience', audience, 'must be a string that is not empty')
  }
  return { audience, provide: readProvider(tokens) }
}

function readAge(maxConnectionAgeMs: number = Infinity): number {
  if (maxConnectionAgeMs === Infinity) return maxConnectionAgeMs
  return reader.asInteger('maxConnectionAgeMs', maxConnectionAgeMs, { min: 1, max: MAX_TIMER_MS })
}

function defaultsFor(target: string): ChannelOptions {
  return {
    // Harmless for the proof of the server, and a surprise.
    'grpc.enable_http_proxy': 0,
    // RFC 6066 §3: an IP address is not permitted as the name of a server. Node 26 throws.
    ...(isAddress(target) && { 'grpc.ssl_target_name_override': NO_NAME }),
  }
}

/** Whether a target is an IP address, or several, with or without a scheme. */
function isAddress(target: string): boolean {
  const path = target.replace(/^(?:dns|ipv4|ipv6):(?:\/\/[^/]*\/)?/, '')
  const [first = ''] = path.split(',')
  const host = /^\[(?<host>.*)\](?::\d+)?$/.exec(first)?.groups?.['host']
  return isIP(host ?? first) !== 0 || isIP(first.replace(/:\d+$/, '')) !== 0
}

function isTarget(target: unknown): boolean {
  return typeof target === 'string' && /^[\x21-\x7e]{1,1024}$/.test(target)
}
