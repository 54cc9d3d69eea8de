import type { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import type { LapseReason, Standing } from './standing.ts'

/** Who is at the other end of one connection. Frozen, and bound to the connection once. */
export interface ConnectionPeer {
  readonly spiffeId: SpiffeId
  readonly trustDomain: TrustDomain
  /**
   * When the proof ends, in ms since the epoch: the earliest notAfter on the verified path, with the
   * tolerance `clockSkewMs` where one is given.
   */
  readonly notAfter: number
  /** SHA-256 of the leaf certificate, as `node:crypto` writes it (`AA:BB:…`). */
  readonly fingerprint256: string
  /** Serial number of the leaf certificate, in lower-case hexadecimal without leading zeros. */
  readonly serialNumber: string
  /** `test-kit` is never a proof: it marks a peer that a test presented for an injected request. */
  readonly proof: 'x509-svid' | 'test-kit'
}

/** The only implementation. That it is private to this package is what makes a peer unforgeable. */
export class ProvenPeer implements ConnectionPeer {
  readonly spiffeId: SpiffeId
  readonly trustDomain: TrustDomain
  readonly notAfter: number
  readonly fingerprint256: string
  readonly serialNumber: string
  readonly proof: 'x509-svid' | 'test-kit'
  readonly #standing: Standing

  constructor(facts: Omit<ConnectionPeer, 'trustDomain'>, standing: Standing) {
    this.spiffeId = facts.spiffeId
    this.trustDomain = facts.spiffeId.trustDomain
    this.notAfter = facts.notAfter
    this.fingerprint256 = facts.fingerprint256
    this.serialNumber = facts.serialNumber
    this.proof = facts.proof
    this.#standing = standing
    Object.freeze(this)
  }

  static isCurrent(peer: ConnectionPeer, now: number): boolean {
    return #standing in peer && peer.#standing.holds(now) && now < peer.notAfter
  }

  static currentUntil(peer: ConnectionPeer): number {
    return #standing in peer ? Math.min(peer.#standing.until, peer.notAfter) : -Infinity
  }

  static lapseOf(peer: ConnectionPeer, now: number): LapseReason {
    if (now >= peer.notAfter) return 'expired'
    return #standing in peer ? peer.#standing.lapse : 'untrusted'
  }

  static endTrust(peer: ConnectionPeer): void {
    if (#standing in peer) peer.#standing.end('refused')
  }
}

/**
 * Whether what a peer proved at the handshake still holds at `now` (ms since the epoch): its
 * certificates have not expired, its anchor is in the current bundle of its trust domain, no current
 * revocation list of that names a certificate on its path, and `disconnectPeers` has not named it.
 *
 * Cheap enough for every request: two comparisons, unless the bundles have changed since the last
 * call. After a change a chain whose anchor is gone, or that a revocation list may concern, is verified
 * once more against the new bundle,
 * so that a rotation of authorities disturbs nobody who is still trusted. Once lost, the standing
 * of a connection does not come back. Objects that this package did not make are never current.
 */
export const isCurrent = (peer: ConnectionPeer, now: number): boolean =>
  ProvenPeer.isCurrent(peer, now)

/** When the proof of a peer ends if the bundles stay as they are, in ms since the epoch. */
export const currentUntil = (peer: ConnectionPeer): number => ProvenPeer.currentUntil(peer)

/** Why the proof of a peer that is not current holds no more. */
export const lapseOf = (peer: ConnectionPeer, now: number): LapseReason =>
  ProvenPeer.lapseOf(peer, now)

/** Ends the standing of a peer for good, and with it that of all connections which share it. */
export const endTrust = (peer: ConnectionPeer): void => ProvenPeer.endTrust(peer)
