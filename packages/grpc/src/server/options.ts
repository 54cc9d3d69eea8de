import type { ServerOptions } from '@grpc/grpc-js'
import type { PolicyLog, PolicyOptions, RouteRule } from '@fastify-spiffe/policy'
import { type PolicySettings, readPolicyOptions } from '@fastify-spiffe/policy/internal'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { describeName, hasMethods, isObject } from '@fastify-spiffe/spiffe/internal'
import type { SvidTlsServerOptions } from '@fastify-spiffe/tls'
import type { GrpcChains } from '../call/chains.ts'
import type { GrpcCall } from '../call/grpc-call.ts'
import { ATTRIBUTES } from '../call/reader.ts'
import { GrpcError } from '../errors.ts'
import { reader } from '../option-reader.ts'

/** Options of TLS and of connections, as `createSvidTlsServer` has them. */
export type GrpcTlsOptions = Omit<SvidTlsServerOptions, 'alpnProtocols' | 'onClosing'>

/** What `GrpcServer.open` takes: the options of the policy, and these. `source` is required. */
export interface GrpcServerOptions extends Omit<PolicyOptions<GrpcCall>, 'notFound'> {
  /** Gives the SVID to present, and the bundles to verify callers with. It is not closed with the server. */
  readonly source: X509MaterialSource
  /** TLS and the life of connections. Default: that of each of its options. */
  readonly tls?: GrpcTlsOptions
  /**
   * Options of the `Server` of gRPC, such as `grpc.max_receive_message_length` and `interceptors`, which see admitted calls only.
   * Default: those of gRPC, with `grpc.max_concurrent_streams` 1000.
   */
  readonly grpc?: ServerOptions
  /**
   * Who may call the health service: a rule, or the name of one in the policy document; `false`: there is none. The document
   * may rule its methods as well. Default: any verified peer.
   */
  readonly health?: RouteRule | string | false
  /**
   * Verifies on whose behalf calls are made, and lets `currentPeer`, `currentChain` and `chainHeaders` work in handlers:
   * `Chains` of `@fastify-spiffe/chain`. Default: chains that callers present are ignored, and no rule may name an origin.
   */
  readonly chains?: GrpcChains
  /** Where refusals and faults are logged, such as a logger of pino. Default: nowhere. */
  readonly log?: PolicyLog
}

/** The options, checked and complete. */
export interface ServerSettings {
  readonly policy: PolicySettings
  readonly source: X509MaterialSource
  readonly tls: GrpcTlsOptions
  readonly grpc: ServerOptions
  readonly health: RouteRule | string | null
  readonly chains: GrpcChains | null
  readonly log: PolicyLog
}

const OWNER = 'GrpcServer.open'
const NAMES = ['source', 'tls', 'grpc', 'health', 'chains', 'log']
const MAX_CONCURRENT_STREAMS = 1000

const SILENT: PolicyLog = { info: ignore, warn: ignore, error: ignore }

function ignore(): void {
  // Nobody wants to read it.
}

/**
 * Checks the options and fills in the defaults. The source and the options of TLS are checked where the server is made.
 *
 * @throws {GrpcError} `unknown-option`, `invalid-option`
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function readServerOptions(options: GrpcServerOptions): ServerSettings {
  const { source, tls = {}, grpc = {}, health = { anyAuthenticated: true }, log = SILENT } = options
  // Calls of unknown methods are answered by gRPC itself.
  refuseNames(OWNER, options, ['notFound'])
  refuseNames(`${OWNER}({ tls })`, asObject('tls', tls), ['alpnProtocols', 'onClosing'])
  return {
    policy: readPolicyOptions(options, ATTRIBUTES, { names: NAMES, owner: OWNER }),
    source,
    tls,
    grpc: { 'grpc.max_concurrent_streams': MAX_CONCURRENT_STREAMS, ...asObject('grpc', grpc) },
    health: health === false ? null : health,
    chains: readChains(options.chains),
    log: reader.read('log', log, undefined, isLog, 'must have the methods info, warn and error'),
  }
}

function readChains(chains: GrpcChains | undefined): GrpcChains | null {
  if (chains === undefined) return null
  const isChains = hasMethods(chains, ['verify', 'run'])
  return isChains ? chains : reader.refuse('chains', chains, 'must be Chains of the package chain')
}

function refuseNames(owner: string, options: object, names: readonly string[]): void {
  for (const name of names) {
    if (!Object.hasOwn(options, name)) continue
    throw new GrpcError('unknown-option', `${owner} has no option "${describeName(name)}"`)
  }
}

function asObject<T extends object>(key: string, value: T): T {
  return reader.read(key, value, undefined, isObject, 'must be an object')
}

function isLog(log: PolicyLog): boolean {
  return hasMethods(log, ['info', 'warn', 'error'])
}
