import type { TLSSocket } from 'node:tls'
import { isCurrent, type ConnectionPeer } from '../peer/connection-peer.ts'

/** How many connections are open, by what is known of their peers. */
export interface ConnectionCounts {
  readonly open: number
  /** With a peer whose proof still holds. */
  readonly verified: number
  /** Accepted without a certificate. */
  readonly anonymous: number
  /** With a peer whose SVID has expired since, or whose authority has left the bundle. */
  readonly lapsed: number
}

/** Peers that are judged in one turn of the event loop: each may cost a few signature checks. */
const PEERS_PER_TURN = 50

/** The live connections of one server, each with its peer. */
export class ConnectionRegistry {
  readonly #peers = new Map<TLSSocket, ConnectionPeer | null>()
  #nextTurn: NodeJS.Immediate | undefined

  add(socket: TLSSocket, peer: ConnectionPeer | null): void {
    this.#peers.set(socket, peer)
    socket.once('close', () => this.#peers.delete(socket))
  }

  /**
   * Judges every live peer by the bundles of this moment, a slice in each turn of the event loop; see
   * `isCurrent`. Nothing waits for it: a request asks for itself.
   */
  reevaluate(clock: () => number): void {
    clearImmediate(this.#nextTurn)
    this.#judge(new Set(this.#peers.values()).values(), clock)
  }

  #judge(peers: IteratorObject<ConnectionPeer | null>, clock: () => number): void {
    const now = clock()
    for (let count = 0; count < PEERS_PER_TURN; count++) {
      const { done, value: peer } = peers.next()
      if (done === true) return
      if (peer !== null) isCurrent(peer, now)
    }
    this.#nextTurn = setImmediate(() => this.#judge(peers, clock)).unref()
  }

  counts(now: number): ConnectionCounts {
    let anonymous = 0
    let verified = 0
    for (const peer of this.#peers.values()) {
      if (peer === null) anonymous++
      else if (isCurrent(peer, now)) verified++
    }
    const open = this.#peers.size
    return { open, verified, anonymous, lapsed: open - verified - anonymous }
  }
}
