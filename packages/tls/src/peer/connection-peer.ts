import type { SpiffeId, SubjectAltNames, TrustDomain } from '@fastify-spiffe/spiffe'
import type { LapseReason, TrustStatus } from './trust-status.ts'

/** The verified peer of a connection. Frozen, and bound to the connection once. */
export interface ConnectionPeer {
  readonly spiffeId: SpiffeId
  readonly trustDomain: TrustDomain
  /**
   * When the proof ends, in ms since the epoch: the earliest notAfter on the verified path, plus
   * `clockSkewMs` if that is set.
   */
  readonly notAfter: number
  /** SHA-256 of the leaf certificate, as `node:crypto` writes it (`AA:BB:…`). */
  readonly fingerprint256: string
  /** Serial number of the leaf certificate, in lower-case hexadecimal without leading zeros. */
  readonly serialNumber: string
  /** How the peer was proven. `test-kit` is no proof: it marks the peer of an injected request in a test. */
  readonly proof: 'x509-svid' | 'test-kit'
  /**
   * The names of the leaf certificate, which was verified with them, name constraints included. Read at the first call, and
   * once for each certificate. They are no part of the JSON of a peer. `null`: the leaf has more than 256.
   */
  readonly subjectAltNames: SubjectAltNames | null
}

/** What a peer is made of. */
export type PeerProperties = Omit<ConnectionPeer, 'trustDomain' | 'subjectAltNames'>

/** Reads the names of a leaf. Called once at most. */
export type ReadAltNames = () => SubjectAltNames | null

/** The only implementation. It is private to this package, so that no other code can make a peer. */
export class ProvenPeer implements ConnectionPeer {
  readonly spiffeId: SpiffeId
  readonly trustDomain: TrustDomain
  readonly notAfter: number
  readonly fingerprint256: string
  readonly serialNumber: string
  readonly proof: 'x509-svid' | 'test-kit'
  readonly #status: TrustStatus
  readonly #readAltNames: ReadAltNames
  #altNames: SubjectAltNames | null | undefined

  constructor(properties: PeerProperties, status: TrustStatus, readAltNames: ReadAltNames) {
    this.spiffeId = properties.spiffeId
    this.trustDomain = properties.spiffeId.trustDomain
    this.notAfter = properties.notAfter
    this.fingerprint256 = properties.fingerprint256
    this.serialNumber = properties.serialNumber
    this.proof = properties.proof
    this.#status = status
    this.#readAltNames = readAltNames
    Object.freeze(this)
  }

  get subjectAltNames(): SubjectAltNames | null {
    if (this.#altNames === undefined) this.#altNames = this.#readAltNames()
    return this.#altNames
  }

  static isCurrent(peer: ConnectionPeer, now: number): boolean {
    return #status in peer && peer.#status.isTrusted(now) && now < peer.notAfter
  }

  static currentUntil(peer: ConnectionPeer): number {
    return #status in peer ? Math.min(peer.#status.trustedUntil, peer.notAfter) : -Infinity
  }

  static lapseReasonOf(peer: ConnectionPeer, now: number): LapseReason {
    if (now >= peer.notAfter) return 'expired'
    return #status in peer ? peer.#status.lapseReason : 'untrusted'
  }

  static endTrust(peer: ConnectionPeer): void {
    if (#status in peer) peer.#status.end('refused')
  }
}

/**
 * Returns whether the proof of a peer is still valid at `now` (ms since the epoch): its certificates have
 * not expired, its anchor is in the current bundle of its trust domain, no current revocation list of
 * that bundle names a certificate on its path, and `disconnectPeers` has not named it.
 *
 * Cheap enough for every request: two comparisons, unless the bundles have changed since the last
 * call. After a change, a chain whose anchor has gone, or that a revocation list may concern, is verified
 * again against the new bundle, so that peers who are still trusted keep their connections. Once lost,
 * the trust in a connection does not come back. Objects that this package did not make are never current.
 */
export function isCurrent(peer: ConnectionPeer, now: number): boolean {
  return ProvenPeer.isCurrent(peer, now)
}

/** Returns when the proof of a peer ends if the bundles stay as they are, in ms since the epoch. */
export function currentUntil(peer: ConnectionPeer): number {
  return ProvenPeer.currentUntil(peer)
}

/** Returns why the proof of a peer that is not current is no longer valid. */
export function lapseReasonOf(peer: ConnectionPeer, now: number): LapseReason {
  return ProvenPeer.lapseReasonOf(peer, now)
}

/** Ends the trust in a peer for good, and so in all connections that share it. */
export function endTrust(peer: ConnectionPeer): void {
  ProvenPeer.endTrust(peer)
}
