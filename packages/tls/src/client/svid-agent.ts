import type { ClientRequest } from 'node:http'
import https from 'node:https'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { isSameMaterial } from '../context/material.ts'
import { TlsError } from '../errors.ts'
import { assertKnownOptions } from '../options.ts'
import { peerOf } from '../peer/binding.ts'
import { isCurrent } from '../peer/connection-peer.ts'
import { assertConnectorOptions, readServer, type Connector } from './connect-options.ts'
import { dial, presentedSvidOf, type SocketOptions, type ConnectionTarget } from './dial.ts'
import { connectFailure, isUnproven } from './handshake.ts'
import { BearerTokens } from './bearer-tokens.ts'
import { doubled, requestHeaders, type RequestHeaders } from './request-headers.ts'
import { WebPki } from './web-pki.ts'
import { agentOptionNames, checkedPool, type SvidAgentOptions } from './agent-options.ts'

/** The options of a request, merged with those of the agent. */
type RequestOptions = https.RequestOptions & SocketOptions

// Called for each request before the pool is searched. It is neither in Node's types nor documented, but
// has been there since Node 0.11, and many agents override it.
const addRequest: (this: object, request: ClientRequest, options: object) => void = Reflect.get(
  https.Agent.prototype,
  'addRequest',
)

/**
 * An agent for `https.request` that connects as `connect` does: a request is sent only to a server that
 * has proven a SPIFFE ID which `server` matches, or its name to the Web PKI with `webPki()`.
 *
 * An idle connection is reused only while the proof of its server is valid and the own SVID is still the
 * one that it presented: after a rotation, pending requests finish, and new ones open new connections.
 *
 * A request fails with the errors of `connect`; requests that wait for a socket are then tried. As with
 * Node's own agent, a connection counts from its start: `signal`, `timeout` and `destroy()` of the request
 * and of the agent also apply while it is being made.
 *
 * @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option`
 */
export class SvidAgent extends https.Agent {
  readonly #connector: Connector
  readonly #clock: () => number
  readonly #headers: RequestHeaders | null
  readonly #tokens: BearerTokens | null
  readonly #failed = new WeakSet<Duplex>()

  /** @throws {@link TlsError} `unknown-option`, `forbidden-option`, `invalid-option` */
  constructor(options: SvidAgentOptions) {
    assertKnownOptions(options, agentOptionNames, 'SvidAgent')
    assertConnectorOptions(options)
    const { source, server, timeoutMs, minVersion, revocation, clock, ...others } = options
    const { clockSkewMs, allowIntermediatesOfOtherTrustDomains, clientCertificate, ...rest } =
      others
    const { chainHeaders, jwt, ...pool } = rest
    const tokens = jwt === undefined ? null : new BearerTokens(jwt)
    const headers = requestHeaders(readServer(server), chainHeaders)
    // A resumed session would carry no proof.
    super({ ...checkedPool(pool), maxCachedSessions: 0 })
    this.#connector = {
      source,
      server: readServer(server),
      ...(clientCertificate !== undefined && { clientCertificate }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(minVersion !== undefined && { minVersion }),
      ...(revocation !== undefined && { revocation }),
      ...(clockSkewMs !== undefined && { clockSkewMs }),
      ...(allowIntermediatesOfOtherTrustDomains !== undefined && {
        allowIntermediatesOfOtherTrustDomains,
      }),
      ...(clock !== undefined && { clock }),
    }
    this.#clock = clock ?? Date.now
    this.#headers = headers
    this.#tokens = tokens
    // Before Node's own listener, which gives the socket to a waiting request or to the pool.
    this.prependListener('free', (socket: Duplex) => {
      if (!this.#isReusable(socket)) socket.destroy()
    })
  }

  /** @throws {@link TlsError} `invalid-option` for a request that has a header of `chainHeaders` or `jwt` already; `no-token` */
  addRequest(request: ClientRequest, options: RequestOptions): void {
    // First: a request whose headers cannot be made opens no connection.
    for (const [name, value] of this.#headers?.() ?? []) {
      if (request.hasHeader(name)) throw doubled(name)
      request.setHeader(name, value)
    }
    this.#presentToken(request, options)
    this.#dropStale()
    addRequest.call(this, request, options)
  }

  /** By where the connection goes, and not by the header `Host`. */
  #presentToken(request: ClientRequest, { host, port }: RequestOptions): void {
    if (this.#tokens === null) return
    const name = host?.includes(':') === true ? `[${host}]` : (host ?? 'localhost')
    const audience = this.#tokens.audienceFor(`https://${name}:${String(port ?? 443)}`)
    if (audience === undefined) return
    if (request.hasHeader('authorization')) throw doubled('authorization', 'jwt')
    request.setHeader('authorization', this.#tokens.authorizationNow(audience))
  }

  /**
   * Starts a connection. What is written to it is sent only after the server's proof. When the connection
   * cannot be started, returns a socket that is destroyed with the reason.
   */
  override createConnection(options: RequestOptions): Duplex {
    try {
      if (options.socketPath) throw new TlsError('invalid-option', 'socketPath is not supported')
      return dial(this.#connector, targetOf(options))
    } catch (error) {
      return this.#failedSocket(error)
    }
  }

  #failedSocket(reason: unknown): Duplex {
    const socket = new Socket()
    this.#failed.add(socket)
    // Later, when the request listens for its errors.
    process.nextTick(() => socket.destroy(connectFailure(reason)))
    return socket
  }

  #dropStale(): void {
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets?.filter((candidate) => !this.#isReusable(candidate)) ?? []) {
        // Takes it out of the pool at once; its `close` event would do so later, and Node only skips
        // sockets that are destroyed.
        socket.destroy()
        socket.emit('agentRemove')
      }
    }
  }

  #isReusable(socket: Duplex): boolean {
    // Node announces the new connection of a request that had to wait as a free one. A failed one
    // has to reach that request too.
    if (isUnproven(socket) || this.#failed.has(socket)) return true
    if (!(socket instanceof TLSSocket)) return false
    const peer = peerOf(socket)
    const isProven =
      peer == null
        ? peer === null && this.#connector.server instanceof WebPki
        : isCurrent(peer, this.#clock())
    return isProven && this.#presentsCurrentSvid(socket)
  }

  #presentsCurrentSvid(socket: TLSSocket): boolean {
    if (this.#connector.clientCertificate === 'none') return true
    const presented = presentedSvidOf(socket)
    try {
      const current = this.#connector.source.svid
      return presented !== undefined && current !== null && isSameMaterial(current, presented)
    } catch {
      // When the source throws, the new connection fails, and with it the request.
      return false
    }
  }
}

// The options that concern the connection, without those that concern identity or trust.
function targetOf(options: RequestOptions): ConnectionTarget {
  return {
    host: options.host ?? 'localhost',
    port: Number(options.port),
    ALPNProtocols: ['http/1.1'],
    servername: options.servername || undefined,
    family: options.family,
    keepAlive: options.keepAlive,
    keepAliveInitialDelay: options.keepAliveInitialDelay,
    localAddress: options.localAddress,
    lookup: options.lookup,
    noDelay: options.noDelay,
    timeout: options.timeout,
  }
}
