import {
  Certificate,
  verifyX509Svid,
  type BundleSet,
  type TrustDomain,
  type VerifiedX509Svid,
  type X509BundleSource,
} from '@fastify-spiffe/spiffe'
import type { Standing } from './connection-peer.ts'

const LOST = Number.NEGATIVE_INFINITY

/** A change of bundles may call for many verifications at once: each gets less than a handshake. */
const BUDGET = { maxSignatureChecks: 160 }

/** The trust in one verified chain, kept true while the bundles of its source change. */
export class ChainTrust implements Standing {
  readonly #source: X509BundleSource
  // As DER, which takes a quarter of the memory of OpenSSL's objects.
  readonly #chain: readonly Buffer[]
  readonly #trustDomain: TrustDomain
  #bundles: BundleSet
  #anchor: Certificate
  #validUntil: number

  constructor(
    source: X509BundleSource,
    chain: readonly Buffer[],
    bundles: BundleSet,
    verified: VerifiedX509Svid,
  ) {
    this.#source = source
    this.#chain = chain
    this.#trustDomain = verified.spiffeId.trustDomain
    this.#bundles = bundles
    this.#anchor = verified.anchor
    this.#validUntil = verified.notAfter
  }

  get until(): number {
    return this.#validUntil
  }

  holds(now: number): boolean {
    const bundles = this.#source.bundles
    // Bundle sets are immutable: the same object means that nothing has changed.
    if (bundles !== this.#bundles) this.#judgeBy(bundles, now)
    if (now < this.#validUntil) return true
    // For good: a clock that is set back revives nobody.
    this.#validUntil = LOST
    return false
  }

  #judgeBy(bundles: BundleSet, now: number): void {
    this.#bundles = bundles
    if (this.#validUntil === LOST || this.#isAnchoredIn(bundles)) return
    const chain = this.#chain.map((der) => Certificate.fromDer(der))
    const verification = verifyX509Svid(chain, bundles, { clock: () => now, budget: BUDGET })
    if (verification.ok) {
      this.#anchor = verification.svid.anchor
      this.#validUntil = verification.svid.notAfter
    } else {
      this.#validUntil = LOST
    }
  }

  // X509-SVID §5: only the bundle of the peer's own trust domain counts.
  #isAnchoredIn(bundles: BundleSet): boolean {
    return bundles.get(this.#trustDomain)?.has(this.#anchor) === true
  }
}
