import type { ClientRequest } from 'node:http'
import https, { type AgentOptions } from 'node:https'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { isSameMaterial } from '../context/material.ts'
import { TlsError } from '../errors.ts'
import { assertKnownOptions } from '../options.ts'
import { peerOf } from '../peer/binding.ts'
import { isCurrent } from '../peer/connection-peer.ts'
import { assertEndpointOptions, type EndpointOptions } from './connect-options.ts'
import { dial, presentedSvidOf, type SocketOptions, type Target } from './dial.ts'
import { connectFailure, isUnproven } from './handshake.ts'
import { checkedPool } from './pool-options.ts'

type PoolOptions = Pick<
  AgentOptions,
  | 'keepAlive'
  | 'keepAliveMsecs'
  | 'maxFreeSockets'
  | 'maxSockets'
  | 'maxTotalSockets'
  | 'scheduling'
  | 'timeout'
>

/** The options of `connect` that hold for every connection, and those of Node's agent that concern its pool. */
export interface SvidAgentOptions extends EndpointOptions, PoolOptions {}

const optionNames: ReadonlySet<string> = new Set([
  'source',
  'server',
  'timeoutMs',
  'minVersion',
  'revocation',
  'clockSkewMs',
  'allowIntermediatesOfOtherTrustDomains',
  'clock',
  'keepAlive',
  'keepAliveMsecs',
  'maxFreeSockets',
  'maxSockets',
  'maxTotalSockets',
  'scheduling',
  'timeout',
] satisfies (keyof SvidAgentOptions)[])

/** What an agent hands over of a request, its own options included. */
type RequestOptions = https.RequestOptions & SocketOptions

// Called for each request before the pool is searched. It has no place in Node's types or papers,
// and has been there since Node 0.11: many agents override it.
const addRequest: (this: object, request: ClientRequest, options: object) => void = Reflect.get(
  https.Agent.prototype,
  'addRequest',
)

/**
 * An agent for `https.request` whose connections are those of `connect`: a request is written only to
 * a server that has proven one of the SPIFFE IDs that `server` matches.
 *
 * An idle connection is used again only while its server's proof still holds and the own SVID is the
 * one it was made with: after a rotation, requests under way finish and new ones connect anew.
 *
 * A request fails with the errors of `connect`, and requests that wait for a place go on after one that
 * failed. A connection counts from the moment that it is begun, as with Node's own agent: `signal`,
 * `timeout` and `destroy()` of a request and of the agent hold while it is being made.
 *
 * @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option`
 */
export class SvidAgent extends https.Agent {
  readonly #endpoint: EndpointOptions
  readonly #clock: () => number
  readonly #failed = new WeakSet<Duplex>()

  constructor(options: SvidAgentOptions) {
    assertKnownOptions(options, optionNames, 'SvidAgent')
    assertEndpointOptions(options)
    const { source, server, timeoutMs, minVersion, revocation, clock, ...others } = options
    const { clockSkewMs, allowIntermediatesOfOtherTrustDomains, ...pool } = others
    // A resumed session would skip the proof.
    super({ ...checkedPool(pool), maxCachedSessions: 0 })
    this.#endpoint = {
      source,
      server,
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
    // Ahead of Node's own listener, which would hand the socket to a waiting request or to the pool.
    this.prependListener('free', (socket: Duplex) => {
      if (!this.#isReusable(socket)) socket.destroy()
    })
  }

  addRequest(request: ClientRequest, options: object): void {
    this.#dropStale()
    addRequest.call(this, request, options)
  }

  /**
   * Begins a connection. What is written to it leaves only after the server's proof; a connection that
   * cannot even be begun is a socket that is destroyed with the reason.
   */
  override createConnection(options: RequestOptions): Duplex {
    try {
      if (options.socketPath) throw new TlsError('invalid-option', 'socketPath is not supported')
      return dial(this.#endpoint, targetOf(options))
    } catch (error) {
      return this.#stillborn(error)
    }
  }

  #stillborn(reason: unknown): Duplex {
    const socket = new Socket()
    this.#failed.add(socket)
    // Later: the request that gets it listens only then.
    process.nextTick(() => socket.destroy(connectFailure(reason)))
    return socket
  }

  #dropStale(): void {
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets?.filter((candidate) => !this.#isReusable(candidate)) ?? []) {
        // Takes it out of the pool at once; its `close` would do so only later. Node looks only for
        // destroyed sockets among the idle ones.
        socket.destroy()
        socket.emit('agentRemove')
      }
    }
  }

  #isReusable(socket: Duplex): boolean {
    // Node announces the new connection of a request that had to wait as a free one. What has failed
    // has to reach that request too.
    if (isUnproven(socket) || this.#failed.has(socket)) return true
    if (!(socket instanceof TLSSocket)) return false
    const peer = peerOf(socket)
    const presented = presentedSvidOf(socket)
    if (peer == null || presented === undefined) return false
    try {
      const current = this.#endpoint.source.svid
      return (
        isCurrent(peer, this.#clock()) && current !== null && isSameMaterial(current, presented)
      )
    } catch {
      // A source that throws fails the new connection, and with it the request.
      return false
    }
  }
}

// Of what Node says of a request and its agent, that which concerns the connection, and neither
// identity nor trust.
const targetOf = (options: RequestOptions): Target => ({
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
})
