import type { Server, TLSSocket } from 'node:tls'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import { describeValue } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from '../errors.ts'
import { peerLapsed, type PeerLapsedEvent } from '../peer/events.ts'
import {
  currentUntil,
  endTrust,
  isCurrent,
  lapseReasonOf,
  type ConnectionPeer,
} from '../peer/connection-peer.ts'
import { LiveConnection } from './live-connection.ts'
import type { OnPeerExpiry } from './modes.ts'
import { DeadlineTimer } from './deadline-timer.ts'

/** The number of open connections, by the state of their peers. */
export interface ConnectionCounts {
  readonly open: number
  /** With a peer whose proof is still valid, as of the last check of its connection. */
  readonly verified: number
  /** Accepted without a certificate. */
  readonly anonymous: number
  /** With a peer whose proof is no longer valid: it expired, the bundles changed, or `disconnectPeers` named it. */
  readonly lapsed: number
}

/** How the connections of a server end: the options of the same names. */
export interface ConnectionSettings {
  readonly onPeerExpiry: OnPeerExpiry
  readonly graceMs: number
  readonly maxConnectionAgeMs: number
  readonly clock: () => number
  readonly setTimer: SetTimer
  readonly random: () => number
}

/** Connections checked in one turn of the event loop: each may cost a few signature verifications. */
const CONNECTIONS_PER_TURN = 50

/** The time after which a turn checks no further connection: peers choose how expensive their chains are. */
const TURN_MS = 5

/**
 * How long before the expiry of a peer's SVID its connections are closed gracefully, so that it reconnects
 * with its next SVID and loses no request: after the expiry its requests are refused. The timer may be a
 * second late.
 */
const EARLY_CLOSE_MS = 2000

/** The live connections of one server. Closes those whose peer has lapsed, and those that are too old. */
export class ConnectionRegistry {
  readonly #server: Server
  readonly #settings: ConnectionSettings
  readonly #connections = new Set<LiveConnection>()
  readonly #published = new WeakSet<ConnectionPeer>()
  readonly #timer: DeadlineTimer
  #nextTurn: NodeJS.Immediate | undefined
  #isSweepDue = false
  #isPaused = false
  #isClosing = false
  #cancelDestroy = (): void => {}

  constructor(server: Server, settings: ConnectionSettings) {
    this.#server = server
    this.#settings = settings
    this.#timer = new DeadlineTimer(settings.clock, settings.setTimer, () => this.sweep())
  }

  add(socket: TLSSocket, peer: ConnectionPeer | null): void {
    const times = { closeAt: this.#closeAt(peer), maxAgeAt: this.#maxAgeAt() }
    const { graceMs, setTimer } = this.#settings
    const connection = new LiveConnection(socket, peer, times, setTimer)
    this.#connections.add(connection)
    socket.once('close', () => this.#remove(connection))
    if (!this.#isPaused) this.#timer.scheduleBy(this.#dueAt(connection))
    // Later: only then is it known whether it speaks HTTP/2.
    if (this.#isClosing) setImmediate(() => connection.drain(graceMs))
  }

  /**
   * Closes all connections gracefully, new ones included: idle ones now, busy ones after their response.
   * Destroys those that are left after `graceMs`. Safe to call twice.
   */
  closeAllGracefully(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    const connections = [...this.#connections]
    for (const connection of connections) connection.closeGracefully()
    if (connections.length === 0) return
    const { graceMs, setTimer } = this.#settings
    // One timer for all of them.
    this.#cancelDestroy = setTimer(() => {
      for (const connection of connections) connection.destroy()
    }, graceMs)
  }

  #remove(connection: LiveConnection): void {
    this.#connections.delete(connection)
    if (this.#isClosing && this.#connections.size === 0) this.#cancelDestroy()
  }

  /** Destroys all connections at once. */
  destroyAll(): void {
    for (const connection of this.#connections) connection.destroy()
  }

  /** Keeps new connections open again, after `closeAllGracefully`. */
  allowNewConnections(): void {
    this.#isClosing = false
  }

  /** Cancels the timer of `closeAllGracefully`: no connection is left. */
  cancelDestroy(): void {
    this.#cancelDestroy()
  }

  /**
   * Checks every live connection against the current bundles and time, some in each turn of the event
   * loop. Requests do not wait for it: each of them checks its own peer.
   */
  sweep(): void {
    if (this.#isPaused) return
    // One sweep at a time: otherwise frequent updates would keep it from the last connections.
    this.#isSweepDue = this.#nextTurn !== undefined
    if (this.#isSweepDue) return
    this.#timer.cancel()
    this.#checkSome([...this.#connections], 0, Infinity)
  }

  /**
   * Ends the trust in all live peers for which `predicate` returns true, at once and for good. Their
   * connections are closed like those of any lapsed peer. Returns the number of these peers.
   * @throws {@link TlsError} `invalid-option` when the predicate does not return a boolean; then, as when
   *   it throws, nobody is disconnected
   */
  disconnectPeers(predicate: (peer: ConnectionPeer) => boolean): number {
    const now = this.#settings.clock()
    const peers = new Set<ConnectionPeer>()
    for (const { peer } of this.#connections) {
      // Not `isCurrent`: after a change of bundles it would verify all chains in one turn.
      if (peer !== null && now < currentUntil(peer)) peers.add(peer)
    }
    const disconnected = [...peers].filter((peer) => assertBoolean(predicate(peer)))
    for (const peer of disconnected) endTrust(peer)
    // Later: a subscriber to `spiffe:peer:lapsed` may call this within a sweep.
    if (disconnected.length > 0) queueMicrotask(() => this.sweep())
    return disconnected.length
  }

  #checkSome(connections: readonly LiveConnection[], first: number, earliest: number): void {
    this.#nextTurn = undefined
    const now = this.#settings.clock()
    const turnEnd = performance.now() + TURN_MS
    let dueAt = earliest
    for (let index = first; index < connections.length; index++) {
      const checked = index - first
      // At least one each time, however slow the machine is.
      if (checked > 0 && (checked >= CONNECTIONS_PER_TURN || performance.now() >= turnEnd)) {
        // Not unref'd: while nothing else happens, Node would run it only with the next event.
        this.#nextTurn = setImmediate(() => this.#checkSome(connections, index, dueAt))
        return
      }
      dueAt = Math.min(dueAt, this.#check(connections[index]!, now))
      // A subscriber to `spiffe:peer:lapsed` may have closed the server.
      if (this.#isPaused) return
    }
    this.#finish(dueAt)
  }

  #finish(dueAt: number): void {
    this.#timer.scheduleBy(dueAt)
    if (this.#isSweepDue) this.sweep()
  }

  /** Closes the connection if it is due. Returns when to check it again. */
  #check(connection: LiveConnection, now: number): number {
    const { socket, peer, closeAt, maxAgeAt } = connection
    if (socket.destroyed) return Infinity
    const { onPeerExpiry, graceMs } = this.#settings
    if (peer !== null && !isCurrent(peer, now) && onPeerExpiry !== 'ignore') {
      this.#publishLapse(peer, now)
      if (onPeerExpiry === 'immediate') connection.destroy()
      else connection.drain(graceMs)
      return Infinity
    }
    if (now >= closeAt) connection.closeGracefully()
    if (now >= maxAgeAt) connection.drain(graceMs)
    return this.#dueAt(connection)
  }

  #dueAt({ peer, isClosing, isDraining, closeAt, maxAgeAt }: LiveConnection): number {
    const isHeld = peer !== null && this.#settings.onPeerExpiry !== 'ignore'
    return Math.min(
      isClosing ? Infinity : closeAt,
      isDraining ? Infinity : maxAgeAt,
      isHeld ? currentUntil(peer) : Infinity,
    )
  }

  #closeAt(peer: ConnectionPeer | null): number {
    const isGraceful = peer !== null && this.#settings.onPeerExpiry === 'graceful'
    return isGraceful ? peer.notAfter - EARLY_CLOSE_MS : Infinity
  }

  // ± 10 %, so that clients that connected together do not reconnect together.
  #maxAgeAt(): number {
    const { clock, maxConnectionAgeMs, random } = this.#settings
    return clock() + maxConnectionAgeMs * (0.9 + 0.2 * random())
  }

  // Once for each peer: connections with the same certificate share it.
  #publishLapse(peer: ConnectionPeer, now: number): void {
    if (this.#published.has(peer)) return
    this.#published.add(peer)
    if (!peerLapsed.hasSubscribers) return
    const event = { server: this.#server, peer, reason: lapseReasonOf(peer, now) } as const
    peerLapsed.publish(Object.freeze<PeerLapsedEvent>(event))
  }

  /** Counts by the last sweep: counting must not verify all chains in one turn. */
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

  /** Checks connections again, from the next sweep on. */
  resume(): void {
    this.#isPaused = false
  }

  /** Stops checking connections. Those that are being closed are still destroyed after their grace period. */
  pause(): void {
    this.#isPaused = true
    this.#timer.cancel()
    clearImmediate(this.#nextTurn)
    this.#nextTurn = undefined
  }
}

// A promise is truthy, and would disconnect every peer.
function assertBoolean(answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer
  throw new TlsError(
    'invalid-option',
    `the predicate must return a boolean, not ${describeValue(answer)}`,
  )
}
