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

/** The live connections of one server, each with its peer. */
export class ConnectionRegistry {
  readonly #peers = new Map<TLSSocket, ConnectionPeer | null>()

  add(socket: TLSSocket, peer: ConnectionPeer | null): void {
    this.#peers.set(socket, peer)
    socket.once('close', () => this.#peers.delete(socket))
  }

  /** Judges every live peer by the bundles of this moment; see `isCurrent`. */
  reevaluate(now: number): void {
    for (const peer of new Set(this.#peers.values())) {
      if (peer !== null) isCurrent(peer, now)
    }
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
