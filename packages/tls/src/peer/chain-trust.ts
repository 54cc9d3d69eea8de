import {
  Certificate,
  verifyX509Svid,
  type RevocationPolicy,
  type TrustDomain,
  type VerifiedX509Svid,
  type X509Bundle,
} from '@fastify-spiffe/spiffe'
import type { BundleEdition, BundleEditions } from './bundle-editions.ts'
import type { LapseReason, Standing } from './standing.ts'

const LOST = Number.NEGATIVE_INFINITY

/** By what a chain is judged, besides the bundles. */
export interface TrustRules {
  readonly revocation: RevocationPolicy
  readonly clockSkewMs: number
  readonly allowIntermediatesOfOtherTrustDomains: boolean
}

/** The trust in one verified chain, kept true while the bundles of its source change. */
export class ChainTrust implements Standing {
  readonly #editions: BundleEditions
  readonly #rules: TrustRules
  // As DER, which takes a quarter of the memory of OpenSSL's objects.
  readonly #chain: readonly Buffer[]
  readonly #trustDomain: TrustDomain
  /** The number of the edition that was judged by. */
  #judgedBy: number
  // Weak: a cached verdict must not keep a bundle and revocation lists that are gone.
  #bundle: WeakRef<X509Bundle> | undefined
  #anchor: Certificate
  #serialNumbers: readonly string[]
  #notAfter: number
  #validUntil: number
  #lapse: LapseReason = 'untrusted'

  constructor(
    editions: BundleEditions,
    rules: TrustRules,
    chain: readonly Buffer[],
    edition: BundleEdition,
    verified: VerifiedX509Svid,
  ) {
    this.#editions = editions
    this.#rules = rules
    this.#chain = chain
    this.#trustDomain = verified.spiffeId.trustDomain
    this.#judgedBy = edition.number
    const bundle = edition.bundles.get(this.#trustDomain)
    this.#bundle = bundle && new WeakRef(bundle)
    this.#anchor = verified.anchor
    this.#serialNumbers = serialNumbersOf(verified)
    this.#notAfter = verified.notAfter
    this.#validUntil = verified.validUntil
  }

  get until(): number {
    return this.#validUntil
  }

  get lapse(): LapseReason {
    return this.#lapse
  }

  holds(now: number): boolean {
    const edition = this.#editions.currentOrLast
    if (edition !== undefined && edition.number !== this.#judgedBy) this.#judgeBy(edition, now)
    if (now < this.#validUntil) return true
    this.end(now < this.#notAfter + this.#rules.clockSkewMs ? 'revocation-unknown' : 'untrusted')
    return false
  }

  end(reason: LapseReason): void {
    if (this.#validUntil === LOST) return
    // For good: a clock that is set back revives nobody.
    this.#validUntil = LOST
    this.#lapse = reason
  }

  #judgeBy({ number, bundles }: BundleEdition, now: number): void {
    this.#judgedBy = number
    // X509-SVID §5: only the bundle of the peer's own trust domain counts.
    const bundle = bundles.get(this.#trustDomain)
    if (this.#validUntil === LOST) return
    // Without a bundle nothing is the same: a weak reference to one that is gone says undefined too.
    if (bundle === undefined) return this.end('untrusted')
    if (bundle === this.#bundle?.deref()) return
    this.#bundle = new WeakRef(bundle)
    if (this.#isUntouchedBy(bundle)) return
    const chain = this.#chain.map((der) => Certificate.fromDer(der))
    // With the budget of a handshake: what was good there must not be lost to a smaller one here.
    const verification = verifyX509Svid(chain, bundles, { clock: () => now, ...this.#rules })
    if (!verification.ok) return this.end(lapseBy(verification.code))
    this.#anchor = verification.svid.anchor
    this.#serialNumbers = serialNumbersOf(verification.svid)
    this.#notAfter = verification.svid.notAfter
    this.#validUntil = verification.svid.validUntil
  }

  /** Whether the path that was found stays good, without looking at it again. */
  #isUntouchedBy(bundle: X509Bundle): boolean {
    if (!bundle.has(this.#anchor)) return false
    const { revocation } = this.#rules
    if (revocation !== 'soft') return revocation === 'off'
    // A serial number that no list names is revoked by none, whoever signed them.
    return !this.#serialNumbers.some((serialNumber) =>
      bundle.revocationLists.some((list) => list.has(serialNumber)),
    )
  }
}

const serialNumbersOf = ({ path }: VerifiedX509Svid): readonly string[] =>
  path.slice(0, -1).map(({ serialNumber }) => serialNumber)

const lapseBy = (code: string): LapseReason =>
  code === 'revoked' || code === 'revocation-unknown' ? code : 'untrusted'
