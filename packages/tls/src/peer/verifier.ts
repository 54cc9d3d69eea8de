import type { X509Certificate } from 'node:crypto'
import {
  Certificate,
  SubjectAltNames,
  verifyX509Svid,
  type RevocationPolicies,
  type X509BundleSource,
} from '@fastify-spiffe/spiffe'
import { FairCache } from '@fastify-spiffe/spiffe/internal'
import { BundleVersions } from './bundle-versions.ts'
import { RevalidatedChain } from './revalidated-chain.ts'
import { isCurrent, ProvenPeer, type ReadAltNames } from './connection-peer.ts'
import type { Rejection } from '../rejection.ts'
import { presentedChain } from './presented-chain.ts'

/** The verdict on a chain that was verified. All connections of one certificate share it. */
export interface Acceptance {
  readonly ok: true
  readonly peer: ProvenPeer
  /** The size of the certificates that are kept. */
  readonly chainBytes: number
}

/** Peers choose the size of what they send: a limit on the number of verdicts alone would allow a gigabyte. */
const MAX_CHAIN_BYTES = 64 * 1024 * 1024

/**
 * Verifies peers against the current bundles of a source, and caches the good verdicts. The trust domains
 * share the cache fairly: one that issues ever new SVIDs does not evict others from their equal share.
 */
export class PeerVerifier {
  readonly #versions: BundleVersions
  readonly #revocation: RevocationPolicies
  // By fingerprint of the leaf. Only good verdicts: the same leaf may come again with a complete chain.
  readonly #accepted: FairCache<Acceptance>
  readonly #clockSkewMs: number
  readonly #allowsOtherTrustDomains: boolean
  #hits = 0

  /**
   * @param clockSkewMs by how many ms certificates of peers are valid longer, and earlier
   * @param allowsOtherTrustDomains whether an intermediate may have a SPIFFE ID of another trust domain than the peer
   */
  constructor(
    source: X509BundleSource,
    revocation: RevocationPolicies,
    maxCachedVerdicts: number,
    clockSkewMs = 0,
    allowsOtherTrustDomains = false,
  ) {
    this.#versions = new BundleVersions(source)
    this.#revocation = revocation
    this.#clockSkewMs = clockSkewMs
    this.#allowsOtherTrustDomains = allowsOtherTrustDomains
    // The least weight of a verdict, so that there are never more than `maxCachedVerdicts`.
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
    return this.verifyChain(leaf.fingerprint256, () => presentedChain(leaf), now)
  }

  /**
   * @param fingerprint256 of the leaf, as `node:crypto` writes it
   * @param chainOf reads what was sent, leaf first; called only if the verdict is not known
   */
  verifyChain(
    fingerprint256: string,
    chainOf: () => readonly X509Certificate[],
    now: number,
  ): Acceptance | Rejection {
    const known = this.#accepted.get(fingerprint256)
    if (known !== undefined && isCurrent(known.peer, now)) {
      this.#hits++
      return known
    }
    const verdict = this.#verify(chainOf(), now)
    if (verdict.ok) {
      const { trustDomain } = verdict.peer.spiffeId
      this.#accepted.set(trustDomain.name, fingerprint256, verdict)
    } else this.#accepted.delete(fingerprint256)
    return verdict
  }

  #verify(chain: readonly X509Certificate[], now: number): Acceptance | Rejection {
    const version = this.#versions.current
    const verification = verifyX509Svid(chain, version.bundles, {
      clock: () => now,
      clockSkewMs: this.#clockSkewMs,
      allowIntermediatesOfOtherTrustDomains: this.#allowsOtherTrustDomains,
      revocation: this.#revocation,
    })
    if (!verification.ok) {
      return { ok: false, code: verification.code, message: verification.message }
    }
    const { svid } = verification
    const properties = {
      spiffeId: svid.spiffeId,
      // The end of the proof: whatever is remembered or kept open because of it ends with it.
      notAfter: svid.notAfter + this.#clockSkewMs,
      fingerprint256: svid.leaf.fingerprint256,
      serialNumber: svid.leaf.serialNumber,
      proof: 'x509-svid',
    } as const
    const certificates = chain.map(({ raw }) => raw)
    const rules = {
      revocation: this.#revocation.for(svid.spiffeId.trustDomain),
      clockSkewMs: this.#clockSkewMs,
      allowIntermediatesOfOtherTrustDomains: this.#allowsOtherTrustDomains,
    }
    return {
      ok: true,
      chainBytes: certificates.reduce((sum, { length }) => sum + length, 0),
      peer: new ProvenPeer(
        properties,
        new RevalidatedChain(this.#versions, rules, certificates, version, svid),
        altNamesOf(certificates[0]!),
      ),
    }
  }
}

/** Of the DER, which is kept anyway: what was read for the verification is not. */
function altNamesOf(leaf: Buffer): ReadAltNames {
  return () => SubjectAltNames.of(Certificate.fromDer(leaf))
}
