import {
  Certificate,
  verifyX509Svid,
  type RevocationPolicy,
  type TrustDomain,
  type VerificationBudget,
  type VerifiedX509Svid,
  type X509Bundle,
} from '@fastify-spiffe/spiffe'
import type { BundleVersion, BundleVersions } from './bundle-versions.ts'
import type { LapseReason, TrustStatus } from './trust-status.ts'

const ENDED = Number.NEGATIVE_INFINITY

/** The rules for verifying a chain, besides the bundles. */
export interface TrustRules {
  readonly revocation: RevocationPolicy
  readonly clockSkewMs: number
  readonly allowIntermediatesOfOtherTrustDomains: boolean
  /** What one verification may cost. Default: the limits of `verifyX509Svid`. */
  readonly budget?: VerificationBudget
}

/** The trust in one verified chain, which is verified again when the bundles of its source change. */
export class RevalidatedChain implements TrustStatus {
  readonly #versions: BundleVersions
  readonly #rules: TrustRules
  // As DER: OpenSSL's objects take four times the memory.
  readonly #chain: readonly Buffer[]
  readonly #trustDomain: TrustDomain
  /** The number of the bundle version that the chain was last verified against. */
  #checkedVersion: number
  // Weak: a cached verdict must not keep a bundle and revocation lists that are gone.
  #bundle: WeakRef<X509Bundle> | undefined
  #anchor: Certificate
  #serialNumbers: readonly string[]
  #notAfter: number
  #validUntil: number
  #lapseReason: LapseReason = 'untrusted'

  constructor(
    versions: BundleVersions,
    rules: TrustRules,
    chain: readonly Buffer[],
    version: BundleVersion,
    verified: VerifiedX509Svid,
  ) {
    this.#versions = versions
    this.#rules = rules
    this.#chain = chain
    this.#trustDomain = verified.spiffeId.trustDomain
    this.#checkedVersion = version.number
    const bundle = version.bundles.get(this.#trustDomain)
    this.#bundle = bundle && new WeakRef(bundle)
    this.#anchor = verified.anchor
    this.#serialNumbers = serialNumbersOf(verified)
    this.#notAfter = verified.notAfter
    this.#validUntil = verified.validUntil
  }

  get trustedUntil(): number {
    return this.#validUntil
  }

  get lapseReason(): LapseReason {
    return this.#lapseReason
  }

  isTrusted(now: number): boolean {
    const version = this.#versions.currentOrLast
    if (version !== undefined && version.number !== this.#checkedVersion)
      this.#recheck(version, now)
    if (now < this.#validUntil) return true
    this.end(now < this.#notAfter + this.#rules.clockSkewMs ? 'revocation-unknown' : 'untrusted')
    return false
  }

  end(reason: LapseReason): void {
    if (this.#validUntil === ENDED) return
    // For good: setting the clock back must not restore the trust.
    this.#validUntil = ENDED
    this.#lapseReason = reason
  }

  #recheck({ number, bundles }: BundleVersion, now: number): void {
    this.#checkedVersion = number
    // X509-SVID §5: only the bundle of the peer's own trust domain counts.
    const bundle = bundles.get(this.#trustDomain)
    if (this.#validUntil === ENDED) return
    // First: `deref()` is undefined as well once the former bundle has been collected.
    if (bundle === undefined) return this.end('untrusted')
    if (bundle === this.#bundle?.deref()) return
    this.#bundle = new WeakRef(bundle)
    if (this.#isUnaffectedBy(bundle)) return
    const chain = this.#chain.map((der) => Certificate.fromDer(der))
    // With the same work limit as the first time, so that what passed there does not fail here.
    const verification = verifyX509Svid(chain, bundles, { clock: () => now, ...this.#rules })
    if (!verification.ok) return this.end(lapseReasonOf(verification.code))
    this.#anchor = verification.svid.anchor
    this.#serialNumbers = serialNumbersOf(verification.svid)
    this.#notAfter = verification.svid.notAfter
    this.#validUntil = verification.svid.validUntil
  }

  /** Whether the verified path is still valid with this bundle, so that it need not be verified again. */
  #isUnaffectedBy(bundle: X509Bundle): boolean {
    if (!bundle.has(this.#anchor)) return false
    const { revocation } = this.#rules
    if (revocation !== 'soft') return revocation === 'off'
    // A list that does not name the serial number does not revoke it, whoever signed the list.
    return !this.#serialNumbers.some((serialNumber) =>
      bundle.revocationLists.some((list) => list.has(serialNumber)),
    )
  }
}

function serialNumbersOf({ path }: VerifiedX509Svid): readonly string[] {
  return path.slice(0, -1).map(({ serialNumber }) => serialNumber)
}

function lapseReasonOf(code: string): LapseReason {
  return code === 'revoked' || code === 'revocation-unknown' ? code : 'untrusted'
}
