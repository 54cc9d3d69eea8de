import { once } from 'node:events'
import { type AddressInfo, isIP, type ListenOptions } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import { Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js'
import type { PolicyControls, Tenant } from '@fastify-spiffe/policy'
import { createSvidTlsServer, identityOf, type ServerIdentity } from '@fastify-spiffe/tls'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import type { GrpcCall } from '../call/grpc-call.ts'
import type { HandledCall } from '../call/peer-of.ts'
import { GrpcError } from '../errors.ts'
import { reader } from '../option-reader.ts'
import { Health, healthDefinition } from '../health/health.ts'
import { InjectedConnections } from './connections.ts'
import { guardOf } from './guard.ts'
import type { ServiceRules } from './methods.ts'
import { type GrpcServerOptions, readServerOptions, type ServerSettings } from './options.ts'
import { ServerPolicy } from './server-policy.ts'

/** Where a server listens, as `net.Server.listen` takes it. */
export interface GrpcListenOptions extends Pick<
  ListenOptions,
  'backlog' | 'exclusive' | 'ipv6Only'
> {
  /** The TCP port; 0: one that the system chooses. */
  readonly port: number
  /** The address to bind. Default `127.0.0.1`. */
  readonly host?: string
}

interface Parts {
  readonly settings: ServerSettings
  readonly policy: ServerPolicy
  readonly grpc: Server
  readonly tls: TlsServer
  readonly identity: ServerIdentity
}

/**
 * A gRPC server that presents the SVID of a source, follows its rotations without closing a connection, accepts only peers
 * that prove a SPIFFE ID, and lets each call in by the rule of its method, before it reads a message.
 */
export class GrpcServer {
  /** What the server presents, its connections and counters. */
  readonly identity: ServerIdentity
  /** Reloads, explains and lists the rules in force, as `fastify.authz` does for routes. */
  readonly policy: PolicyControls<GrpcCall>
  /** The health service; `null` with `health: false`. */
  readonly health: Health | null
  readonly #parts: Parts
  #state: 'open' | 'listening' | 'closed' = 'open'
  #closing: Promise<void> | undefined

  private constructor(parts: Parts) {
    this.#parts = parts
    this.identity = parts.identity
    this.policy = parts.policy.controls
    const { health } = parts.settings
    this.health = health === null ? null : new Health()
    if (this.health === null || health === null) return
    parts.grpc.addService(healthDefinition, { ...this.health.implementation })
    parts.policy.addOpenToAll(healthDefinition, { rule: health })
  }

  /**
   * Opens a server, which does not listen yet.
   *
   * @throws {@link GrpcError} `unknown-option`, `invalid-option`
   * @throws `PolicyError` `unknown-option`, `invalid-option`, `invalid-policy`, `invalid-rule`
   * @throws `TlsError` `no-svid`, `invalid-material`, `unknown-option`, `forbidden-option`, `invalid-option`
   */
  static async open(options: GrpcServerOptions): Promise<GrpcServer> {
    const settings = readServerOptions(options)
    const policy = await ServerPolicy.open(settings)
    try {
      return new GrpcServer(assemble(settings, policy))
    } catch (error) {
      await policy.close()
      throw error
    }
  }

  /**
   * Adds a service, as the `Server` of gRPC does, and the rules of its methods.
   *
   * @param rules who may call its methods. Default: what the policy document says
   * @throws {@link GrpcError} `wrong-state`, `invalid-service`, `unknown-method`
   * @throws `PolicyError` `invalid-rule`
   */
  addService(
    service: ServiceDefinition,
    implementation: UntypedServiceImplementation,
    rules: ServiceRules = {},
  ): void {
    this.#assertOpen('services are added before the server listens')
    const { policy, grpc } = this.#parts
    policy.add(service, rules)
    try {
      grpc.addService(service, implementation)
    } catch (cause) {
      throw new GrpcError('invalid-service', `gRPC refuses it: ${describeCause(cause)}`, { cause })
    }
    for (const name of namesIn(service)) this.health?.set(name, true)
  }

  /** The tenant of the caller of a call that was let in; `null` for a caller without one, and without the option `tenant`. */
  tenantOf(call: HandledCall): Tenant | null {
    return this.#parts.policy.tenantOf(call)
  }

  /**
   * Tests the policy and begins to listen.
   *
   * @returns where it listens
   * @throws {@link GrpcError} `wrong-state`, `uncovered-methods`, `listen-failed`, `unknown-option`, `invalid-option`
   * @throws `PolicyError` `invalid-rule`, `policy-test-failed`
   */
  async listen(options: GrpcListenOptions): Promise<AddressInfo> {
    assertListenOptions(options)
    this.#assertOpen('the server listens already, or is closed')
    this.#state = 'listening'
    const { tls, policy, settings } = this.#parts
    try {
      await policy.start()
      await bind(tls, options)
    } catch (error) {
      if (this.#state === 'listening') this.#state = 'open'
      throw error
    }
    // Of connections that cannot be accepted, for want of file descriptors, say.
    tls.on('error', (error) => settings.log.error({ err: error }, 'a connection was not accepted'))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
    return tls.address() as AddressInfo
  }

  /**
   * Closes the server: it accepts no more connections, tells those that it has to go (GOAWAY), lets their calls end, and
   * destroys what is left after `tls.graceMs`. The source stays open. Safe to call twice.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { tls, grpc, identity, policy } = this.#parts
    this.#state = 'closed'
    this.health?.close()
    // In this order: gRPC does not wait for connections that it was handed, and serves new ones in spite of its shutdown.
    await closed(tls)
    identity.close()
    grpc.forceShutdown()
    await policy.close()
  }

  #assertOpen(message: string): void {
    if (this.#state !== 'open') throw new GrpcError('wrong-state', message)
  }
}

const LISTEN_OPTIONS = ['port', 'host', 'backlog', 'exclusive', 'ipv6Only']

function assertListenOptions(options: GrpcListenOptions): void {
  reader.assertKnown('listen', options, LISTEN_OPTIONS)
  const { port, host } = options
  reader.asInteger('port', port, { min: 0, max: 65_535 })
  reader.read('host', host, 'localhost', isHost, 'must be a host name or an IP address')
}

/** Checks the characters only: Node's errors would quote the value. */
function isHost(value: string): boolean {
  return typeof value === 'string' && (isIP(value) !== 0 || /^[\w.-]{1,253}$/.test(value))
}

async function bind(server: TlsServer, options: GrpcListenOptions): Promise<void> {
  try {
    server.listen({ host: '127.0.0.1', ...options })
    await once(server, 'listening')
  } catch (cause) {
    const message = `the server cannot listen: ${describeCause(cause)}`
    throw new GrpcError('listen-failed', message, { cause })
  }
}

function assemble(settings: ServerSettings, policy: ServerPolicy): Parts {
  const { grpc: options, log, source, policy: policySettings } = settings
  // Made below; calls come only to a server that exists.
  const guard = guardOf({
    point: policy.point,
    connections: { peerOf: (addresses) => connections.peerOf(addresses) },
    clock: policySettings.clock,
    log,
    chains: settings.chains,
  })
  const grpc = new Server({ ...options, interceptors: [guard, ...(options.interceptors ?? [])] })
  const connections = new InjectedConnections(grpc)
  const tls = createSvidTlsServer(
    source,
    {
      ...settings.tls,
      alpnProtocols: ['h2'],
      onClosing: (socket) => connections.close(socket),
    },
    (socket) => connections.inject(socket),
  )
  const identity = identityOf(tls)
  if (identity === undefined) throw new TypeError('the server has no identity')
  policy.disconnectFrom(identity)
  return { settings, policy, grpc, tls, identity }
}

/** Resolves when a server listens no more and has no connections, also where it never listened. */
function closed(server: TlsServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}

function namesIn(service: ServiceDefinition): ReadonlySet<string> {
  const paths = Object.values(service).map(({ path }) => path)
  return new Set(paths.map((path) => path.slice(1, path.lastIndexOf('/'))))
}
