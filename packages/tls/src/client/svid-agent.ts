import type { ClientRequest } from 'node:http'
import https, { type AgentOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { isSameMaterial } from '../context/material.ts'
import { TlsError } from '../errors.ts'
import { assertKnownOptions } from '../options.ts'
import { peerOf } from '../peer/binding.ts'
import { isCurrent } from '../peer/connection-peer.ts'
import { connect, presentedSvidOf } from './connect.ts'
import {
  assertEndpointOptions,
  type ConnectOptions,
  type EndpointOptions,
} from './connect-options.ts'

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
  'clock',
  'keepAlive',
  'keepAliveMsecs',
  'maxFreeSockets',
  'maxSockets',
  'maxTotalSockets',
  'scheduling',
  'timeout',
] satisfies (keyof SvidAgentOptions)[])

// Called for each request before the pool is searched. It has no place in Node's types or papers,
// and has been there since Node 0.11: many agents override it.
const addRequest: (this: object, request: ClientRequest, options: object) => void = Reflect.get(
  https.Agent.prototype,
  'addRequest',
)

type OnConnection = (error: Error | null, socket: Duplex) => void

/**
 * An agent for `https.request` whose connections are those of `connect`: a request is written only to
 * a server that has proven one of the SPIFFE IDs that `server` matches.
 *
 * An idle connection is used again only while its server's proof still holds and the own SVID is the
 * one it was made with: after a rotation, requests under way finish and new ones connect anew.
 *
 * A request fails with the errors of `connect`. `maxSockets` counts established connections: a burst
 * of requests may open more for a moment.
 *
 * @throws {@link TlsError} `unknown-option`, `forbidden-option` or `invalid-option`
 */
export class SvidAgent extends https.Agent {
  readonly #endpoint: EndpointOptions
  readonly #clock: () => number

  constructor(options: SvidAgentOptions) {
    assertKnownOptions(options, optionNames, 'SvidAgent')
    assertEndpointOptions(options)
    const { source, server, timeoutMs, minVersion, revocation, clock, ...pool } = options
    // A resumed session would skip the proof.
    super({ ...pool, maxCachedSessions: 0 })
    this.#endpoint = {
      source,
      server,
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(minVersion !== undefined && { minVersion }),
      ...(revocation !== undefined && { revocation }),
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

  override createConnection(options: https.RequestOptions, callback?: OnConnection): undefined {
    void this.#open(options, callback ?? (() => undefined))
  }

  async #open(options: https.RequestOptions, callback: OnConnection): Promise<void> {
    let socket: TLSSocket
    try {
      socket = await this.#connect(options)
    } catch (error) {
      // With an error there is no socket, which its type does not know.
      Reflect.apply(callback, undefined, [error])
      return
    }
    callback(null, socket)
  }

  async #connect(options: https.RequestOptions): Promise<TLSSocket> {
    if (options.socketPath) throw new TlsError('invalid-option', 'socketPath is not supported')
    return connect({
      ...this.#endpoint,
      host: options.host ?? 'localhost',
      port: Number(options.port),
      alpnProtocols: ['http/1.1'],
      ...network(options),
    })
  }

  #dropStale(): void {
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets?.filter((candidate) => !this.#isReusable(candidate)) ?? []) {
        // Takes it out of the pool at once; its `close` would do so only later.
        socket.emit('agentRemove')
        socket.destroy()
      }
    }
  }

  #isReusable(socket: Duplex): boolean {
    if (!(socket instanceof TLSSocket)) return false
    const peer = peerOf(socket)
    const current = this.#endpoint.source.svid
    const presented = presentedSvidOf(socket)
    return (
      peer != null &&
      isCurrent(peer, this.#clock()) &&
      current !== null &&
      presented !== undefined &&
      isSameMaterial(current, presented)
    )
  }
}

const network = (
  options: https.RequestOptions,
): Pick<ConnectOptions, 'servername' | 'family' | 'localAddress' | 'lookup'> => {
  const { servername, family, localAddress, lookup } = options
  return {
    ...(servername && { servername }),
    ...(family !== undefined && { family }),
    ...(localAddress !== undefined && { localAddress }),
    ...(lookup !== undefined && { lookup }),
  }
}
