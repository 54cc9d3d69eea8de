import type { X509Certificate } from 'node:crypto'
import {
  verifyX509Svid,
  type RevocationPolicies,
  type X509BundleSource,
} from '@fastify-spiffe/spiffe'
import { FairCache } from '@fastify-spiffe/spiffe/internal'
import { BundleEditions } from './bundle-editions.ts'
import { ChainTrust } from './chain-trust.ts'
import { isCurrent, ProvenPeer } from './connection-peer.ts'
import type { Rejection } from './rejection.ts'
import { sentChain } from './sent-chain.ts'

/** A chain that was verified. The same object serves all connections of the same certificate. */
export interface Acceptance {
  readonly ok: true
  readonly peer: ProvenPeer
  /** What is kept of the certificates that the peer sent. */
  readonly chainBytes: number
}

/** Peers choose how much they send: a bound on their number alone would leave them a gigabyte. */
const MAX_CHAIN_BYTES = 64 * 1024 * 1024

/**
 * Verifies peers against the current bundles of a source, and remembers the good ones. Trust domains share the room: one
 * whose authority issues ever new SVIDs never evicts what others have within their equal part.
 */
export class PeerVerifier {
  readonly #editions: BundleEditions
  readonly #revocation: RevocationPolicies
  // By fingerprint of the leaf. Only good verdicts, so that a chain sent whole gets its fair hearing.
  readonly #accepted: FairCache<Acceptance>
  readonly #clockSkewMs: number
  readonly #allowsOtherTrustDomains: boolean
  #hits = 0

  /**
   * @param clockSkewMs how much longer, and earlier, the certificates of peers are valid
   * @param allowsOtherTrustDomains whether intermediates of other trust domains than the peer's are let in
   */
  constructor(
    source: X509BundleSource,
    revocation: RevocationPolicies,
    maxCachedVerdicts: number,
    clockSkewMs = 0,
    allowsOtherTrustDomains = false,
  ) {
    this.#editions = new BundleEditions(source)
    this.#revocation = revocation
    this.#clockSkewMs = clockSkewMs
    this.#allowsOtherTrustDomains = allowsOtherTrustDomains
    // Each weighs so much at least that there are never more than `maxCachedVerdicts`.
    const minWeight = MAX_CHAIN_BYTES / maxCachedVerdicts
    this.#accepted = new FairCache({
      maxWeight: MAX_CHAIN_BYTES,
      weightOf: ({ chainBytes }) => Math.max(chainBytes, minWeight),
    })
  }

  /** How many verdicts came from the cache. */
  get hits(): number {
    return this.#hits
  }

  /** @param leaf the one result of `getPeerX509Certificate()`, with what was sent behind it */
  verify(leaf: X509Certificate, now: number): Acceptance | Rejection {
    const fingerprint256 = leaf.fingerprint256
    const known = this.#accepted.get(fingerprint256)
    if (known !== undefined && isCurrent(known.peer, now)) {
      this.#hits++
      return known
    }
    const verdict = this.#verify(sentChain(leaf), now)
    if (verdict.ok) {
      const { trustDomain } = verdict.peer.spiffeId
      this.#accepted.set(trustDomain.name, fingerprint256, verdict)
    } else this.#accepted.delete(fingerprint256)
    return verdict
  }

  #verify(chain: readonly X509Certificate[], now: number): Acceptance | Rejection {
    const edition = this.#editions.current
    const verification = verifyX509Svid(chain, edition.bundles, {
      clock: () => now,
      clockSkewMs: this.#clockSkewMs,
      allowIntermediatesOfOtherTrustDomains: this.#allowsOtherTrustDomains,
      revocation: this.#revocation,
    })
    if (!verification.ok) {
      return { ok: false, code: verification.code, message: verification.message }
    }
    const { svid } = verification
    const facts = {
      spiffeId: svid.spiffeId,
      // The end of the proof: whatever is remembered or kept open because of it ends with it.
      notAfter: svid.notAfter + this.#clockSkewMs,
      fingerprint256: svid.leaf.fingerprint256,
      serialNumber: svid.leaf.serialNumber,
      proof: 'x509-svid',
    } as const
    const sent = chain.map(({ raw }) => raw)
    const rules = {
      revocation: this.#revocation.for(svid.spiffeId.trustDomain),
      clockSkewMs: this.#clockSkewMs,
      allowIntermediatesOfOtherTrustDomains: this.#allowsOtherTrustDomains,
    }
    return {
      ok: true,
      chainBytes: sent.reduce((sum, { length }) => sum + length, 0),
      peer: new ProvenPeer(facts, new ChainTrust(this.#editions, rules, sent, edition, svid)),
    }
  }
}
