import { once } from 'node:events'
import { type AddressInfo, isIP, type ListenOptions } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import { Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js'
import type { PolicyControls, Tenant } from '@fastify-spiffe/policy'
import {
  createSvidTlsServer,
  type Http2Connections,
  type Http2Service,
  identityOf,
  type ServerIdentity,
  type SharedPort,
} from '@fastify-spiffe/tls'
import { describeCause, describeName } from '@fastify-spiffe/spiffe/internal'
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
  readonly connections: InjectedConnections
  readonly tls: TlsServer
  readonly identity: ServerIdentity
}

/**
 * A gRPC server that presents the SVID of a source, follows its rotations without closing a connection, accepts only peers
 * that prove a SPIFFE ID, and lets each call in by the rule of its method, before it reads a message.
 */
export class GrpcServer implements Http2Service {
  /** Reloads, explains and lists the rules in force, as `fastify.authz` does for routes. */
  readonly policy: PolicyControls<GrpcCall>
  /** The health service; `null` with `health: false`. */
  readonly health: Health | null
  readonly #parts: Parts
  #state: 'open' | 'listening' | 'closed' = 'open'
  #port: SharedPort | null = null
  #closing: Promise<void> | undefined

  private constructor(parts: Parts) {
    this.#parts = parts
    this.policy = parts.policy.controls
    const { health } = parts.settings
    this.health = health === null ? null : new Health()
    if (this.health === null || health === null) return
    parts.grpc.addService(healthDefinition, { ...this.health.implementation })
    parts.policy.addOpenToAll(healthDefinition, { rule: health })
  }

  /** What the server presents, its connections and counters; on a shared port, those of the server that listens. */
  get identity(): ServerIdentity {
    return (this.#port ?? this.#parts).identity
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
    if (this.#port !== null) {
      throw new GrpcError('wrong-state', 'the server shares the port of another, which listens')
    }
    const { tls, settings } = this.#parts
    await this.#start(() => bind(tls, options))
    // Of connections that cannot be accepted, for want of file descriptors, say.
    tls.on('error', (error) => settings.log.error({ err: error }, 'a connection was not accepted'))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
    return tls.address() as AddressInfo
  }

  /**
   * Serves the HTTP/2 connections of an HTTP/1.1 server: `createSvidServer` and `spiffeServer` call this for their option
   * `grpc`. That server verifies callers, listens and closes; `listen` of this one is not called. When it closes, this one does.
   *
   * @throws {@link GrpcError} `wrong-state` for a server that listens, is closed or shares a port already; `invalid-option`
   *   for one with options of TLS of its own, or another source
   */
  share(port: SharedPort): Http2Connections {
    this.#assertOpen('a server that listens or is closed does not share a port')
    if (this.#port !== null) throw new GrpcError('wrong-state', 'the server shares a port already')
    const { settings, identity, policy, connections } = this.#parts
    assertSharable(settings, port)
    identity.close()
    this.#port = port
    policy.disconnectFrom(port.identity)
    return {
      prepare: () => this.#prepare(),
      accept: (socket) => connections.inject(socket),
      end: (socket) => connections.close(socket),
      onClosing: () => this.health?.close(),
      onClosed: () => void this.#closeLogged(),
    }
  }

  /**
   * Closes the server: it accepts no more connections, tells those that it has to go (GOAWAY), lets their calls end, and
   * destroys what is left after `tls.graceMs`. The source stays open. Of a shared port it leaves HTTP/1.1 as it is. Safe to
   * call twice.
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
    await Promise.all([closed(tls), this.#port?.release()])
    identity.close()
    grpc.forceShutdown()
    await policy.close()
  }

  async #closeLogged(): Promise<void> {
    try {
      await this.close()
    } catch (error) {
      this.#parts.settings.log.error({ err: error }, 'the gRPC server did not close')
    }
  }

  async #prepare(): Promise<void> {
    this.#assertOpen('the gRPC server is closed')
    await this.#start(async () => undefined)
  }

  /** Has no service added from now on, tests the policy and begins to listen. */
  async #start(listen: () => Promise<void>): Promise<void> {
    this.#state = 'listening'
    try {
      await this.#parts.policy.start()
      await listen()
    } catch (error) {
      if (this.#state === 'listening') this.#state = 'open'
      throw error
    }
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

function assertSharable({ tls, source }: ServerSettings, port: SharedPort): void {
  const [name] = Object.keys(tls)
  if (name !== undefined) {
    const message = `options of TLS are those of the server whose port is shared: give "${describeName(name)}" to that`
    throw new GrpcError('invalid-option', message)
  }
  if (source === port.identity.source) return
  throw new GrpcError('invalid-option', 'the server whose port is shared needs the same source')
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
  return { settings, policy, grpc, connections, tls, identity }
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
