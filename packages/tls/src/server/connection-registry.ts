import type { Server, TLSSocket } from 'node:tls'
import { describeValue } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from '../errors.ts'
import { peerLapsed, type PeerLapsedEvent } from '../events.ts'
import {
  currentUntil,
  endTrust,
  isCurrent,
  lapseOf,
  type ConnectionPeer,
} from '../peer/connection-peer.ts'
import { LiveConnection } from './live-connection.ts'
import type { ServerSettings } from './server-options.ts'
import { WakeUp } from './wake-up.ts'

/** How many connections are open, by what is known of their peers. */
export interface ConnectionCounts {
  readonly open: number
  /** With a peer whose proof still holds, as far as its connection was judged since the bundles changed. */
  readonly verified: number
  /** Accepted without a certificate. */
  readonly anonymous: number
  /** With a peer whose proof holds no more, by expiry, by the bundles or by `disconnectPeers`. */
  readonly lapsed: number
}

/** What becomes of a connection whose peer's proof no longer holds. */
export type OnPeerExpiry = 'graceful' | 'immediate' | 'ignore'

export type ConnectionSettings = Pick<
  ServerSettings,
  'onPeerExpiry' | 'graceMs' | 'maxConnectionAgeMs' | 'clock' | 'setTimer' | 'random'
>

/** Connections that are judged in one turn of the event loop: each may cost a few signature checks. */
const CONNECTIONS_PER_TURN = 50

/** When a turn takes no further one: peers choose how dear their chains are. */
const TURN_MS = 5

/**
 * How long before its SVID expires a peer is told to go. From then on its requests are refused, and the
 * timer may be a second late: who leaves before comes back with the next SVID, and loses no request.
 */
const FAREWELL_MS = 2000

/** The live connections of one server: whose proof ends, and who has lived long enough, is sent away. */
export class ConnectionRegistry {
  readonly #server: Server
  readonly #settings: ConnectionSettings
  readonly #connections = new Set<LiveConnection>()
  readonly #told = new WeakSet<ConnectionPeer>()
  readonly #wakeUp: WakeUp
  #nextTurn: NodeJS.Immediate | undefined
  #isStale = false
  #closed = false
  #isEnding = false
  #cancelEnd = (): void => {}

  constructor(server: Server, settings: ConnectionSettings) {
    this.#server = server
    this.#settings = settings
    this.#wakeUp = new WakeUp(settings.clock, settings.setTimer, () => this.sweep())
  }

  add(socket: TLSSocket, peer: ConnectionPeer | null): void {
    const times = { leaveAt: this.#farewell(peer), retireAt: this.#retirement() }
    const { graceMs, setTimer } = this.#settings
    const connection = new LiveConnection(socket, peer, times, setTimer)
    this.#connections.add(connection)
    socket.once('close', () => this.#remove(connection))
    if (!this.#closed) this.#wakeUp.by(this.#dueAt(connection))
    // Only then is it known what it speaks.
    if (this.#isEnding) setImmediate(() => connection.drain(graceMs))
  }

  /**
   * Sends all connections away, and those that still come: an idle one at once, a busy one after its
   * response, and what is left after `graceMs` is cut. Safe to call twice.
   */
  end(): void {
    if (this.#isEnding) return
    this.#isEnding = true
    const connections = [...this.#connections]
    for (const connection of connections) connection.leave()
    if (connections.length === 0) return
    const { graceMs, setTimer } = this.#settings
    // One timer for all of them.
    this.#cancelEnd = setTimer(() => {
      for (const connection of connections) connection.cut()
    }, graceMs)
  }

  #remove(connection: LiveConnection): void {
    this.#connections.delete(connection)
    if (this.#isEnding && this.#connections.size === 0) this.#cancelEnd()
  }

  /** Cuts all connections, whatever they are busy with. */
  cut(): void {
    for (const connection of this.#connections) connection.cut()
  }

  /** Lets connections stay that come from now on. */
  begin(): void {
    this.#isEnding = false
  }

  /** Nobody is left to be cut. */
  ended(): void {
    this.#cancelEnd()
  }

  /**
   * Judges every live connection by the bundles and the time of this moment, a slice in each turn of
   * the event loop. Nothing waits for it: a request asks for itself.
   */
  sweep(): void {
    if (this.#closed) return
    // One sweep at a time, or a flood of updates would never let it reach the last connection.
    this.#isStale = this.#nextTurn !== undefined
    if (this.#isStale) return
    this.#wakeUp.cancel()
    this.#judge([...this.#connections].values(), Infinity)
  }

  /**
   * Ends the standing of all live peers that `predicate` names: at once, and for good. Their connections
   * go as those of any peer that has lapsed. Returns how many peers there were.
   * @throws {@link TlsError} `invalid-option` when the answer is no boolean; then, as when the predicate
   *   throws, nobody is disconnected
   */
  disconnectPeers(predicate: (peer: ConnectionPeer) => boolean): number {
    const now = this.#settings.clock()
    const peers = new Set<ConnectionPeer>()
    for (const { peer } of this.#connections) {
      // Not `isCurrent`: after a change of bundles that would verify all of them in one turn.
      if (peer !== null && now < currentUntil(peer)) peers.add(peer)
    }
    const disconnected = [...peers].filter((peer) => assertBoolean(predicate(peer)))
    for (const peer of disconnected) endTrust(peer)
    // Not within a sweep, for who hears of a lapse may disconnect others.
    if (disconnected.length > 0) queueMicrotask(() => this.sweep())
    return disconnected.length
  }

  #judge(connections: IteratorObject<LiveConnection>, earliest: number): void {
    this.#nextTurn = undefined
    const now = this.#settings.clock()
    const turnEnd = performance.now() + TURN_MS
    let dueAt = earliest
    for (let count = 0; count < CONNECTIONS_PER_TURN && performance.now() < turnEnd; count++) {
      const { done, value: connection } = connections.next()
      if (done === true) return this.#finish(dueAt)
      dueAt = Math.min(dueAt, this.#visit(connection, now))
      // Who hears of a lapse may close the server.
      if (this.#closed) return
    }
    this.#nextTurn = setImmediate(() => this.#judge(connections, dueAt)).unref()
  }

  #finish(dueAt: number): void {
    this.#wakeUp.by(dueAt)
    if (this.#isStale) this.sweep()
  }

  /** Returns when the connection is to be visited again. */
  #visit(connection: LiveConnection, now: number): number {
    const { socket, peer, leaveAt, retireAt } = connection
    if (socket.destroyed) return Infinity
    const { onPeerExpiry, graceMs } = this.#settings
    if (peer !== null && !isCurrent(peer, now) && onPeerExpiry !== 'ignore') {
      this.#tell(peer, now)
      if (onPeerExpiry === 'immediate') connection.cut()
      else connection.drain(graceMs)
      return Infinity
    }
    if (now >= leaveAt) connection.leave()
    if (now >= retireAt) connection.drain(graceMs)
    return this.#dueAt(connection)
  }

  #dueAt({ peer, isLeaving, isDraining, leaveAt, retireAt }: LiveConnection): number {
    const isHeld = peer !== null && this.#settings.onPeerExpiry !== 'ignore'
    return Math.min(
      isLeaving ? Infinity : leaveAt,
      isDraining ? Infinity : retireAt,
      isHeld ? currentUntil(peer) : Infinity,
    )
  }

  #farewell(peer: ConnectionPeer | null): number {
    const isGraceful = peer !== null && this.#settings.onPeerExpiry === 'graceful'
    return isGraceful ? peer.notAfter - FAREWELL_MS : Infinity
  }

  // ± 10 %, so that clients who came together do not come back together.
  #retirement(): number {
    const { clock, maxConnectionAgeMs, random } = this.#settings
    return clock() + maxConnectionAgeMs * (0.9 + 0.2 * random())
  }

  // Once: connections of the same certificate share their peer.
  #tell(peer: ConnectionPeer, now: number): void {
    if (this.#told.has(peer)) return
    this.#told.add(peer)
    if (!peerLapsed.hasSubscribers) return
    const event = { server: this.#server, peer, reason: lapseOf(peer, now) } as const
    peerLapsed.publish(Object.freeze<PeerLapsedEvent>(event))
  }

  /** As far as the last sweep got: to count must not verify all chains in one turn. */
  counts(now: number): ConnectionCounts {
    let anonymous = 0
    let verified = 0
    for (const { peer } of this.#connections) {
      if (peer === null) anonymous++
      else if (now < currentUntil(peer)) verified++
    }
    const open = this.#connections.size
    return { open, verified, anonymous, lapsed: open - verified - anonymous }
  }

  /** Looks at connections again, from the next sweep on. */
  open(): void {
    this.#closed = false
  }

  /** Looks at no connection any more. Those that were told to go are still cut after their grace. */
  close(): void {
    this.#closed = true
    this.#wakeUp.cancel()
    clearImmediate(this.#nextTurn)
    this.#nextTurn = undefined
  }
}

// A promise is truthy, and would disconnect everyone.
const assertBoolean = (answer: unknown): boolean => {
  if (typeof answer === 'boolean') return answer
  throw new TlsError(
    'invalid-option',
    `the predicate must say true or false, not ${describeValue(answer)}`,
  )
}
