import { sameBytes } from '../x509/bytes.ts'
import type { X509Bundle } from '../x509/bundle.ts'
import type { Certificate } from '../x509/certificate.ts'
import { IssuerCandidates } from './candidates.ts'
import { timeWindow, type TimeWindow } from './clock-skew.ts'
import { Frontier, type Step } from './frontier.ts'
import { issuerRefusal, pathRefusal } from './issuer-rules.ts'
import { NameConstraintChecks } from './name-constraints.ts'
import { PolicyChecks } from './policy-checks.ts'
import type { Refusal } from './refusal.ts'
import { RefusalReason } from './refusal-reason.ts'
import { Revocation, REVOKED } from './revocation.ts'
import type { RevocationPolicy } from './revocation-policy.ts'
import { SignatureChecks } from './signature-checks.ts'

/**
 * How many certificates the paths have together that may be tried, with or without a signature check. It bounds the
 * search where many certificates have one name, or where paths are long. A path of 360 certificates is within it.
 */
const MAX_STEPS = 65_536

export interface PathSearchParts {
  readonly leaf: Certificate
  readonly sent: readonly Certificate[]
  readonly bundle: X509Bundle
  readonly now: number
  /** How far the clock of the peer's authority may be from `now`. */
  readonly clockSkewMs: number
  /** Whether intermediates may have SPIFFE IDs of other trust domains than the leaf's. */
  readonly allowsOtherTrustDomains: boolean
  readonly maxSignatureChecks: number
  readonly revocation: RevocationPolicy
}

interface FoundPath {
  readonly ok: true
  /** Leaf first, anchor last. */
  readonly path: readonly Certificate[]
  /** Until when revocation lists cover it; `Infinity` where they do not have to. */
  readonly coveredUntil: number
}

/** The path, or why there is none: what stopped the attempt that got furthest. */
export type SearchResult = FoundPath | { readonly ok: false; readonly refusal: Refusal }

/**
 * The search for a path from a leaf to an authority of one bundle (RFC 5280 §6.1, RFC 4158).
 *
 * Issuers that break a rule on every path are deferred: they only explain a refusal. The others are tried in the order
 * of {@link Frontier}. Each certificate is expanded once, from the first path that reaches it, so that the cost of
 * authorities that all certify one another grows with their number only. A second search tries all paths to the same
 * certificate, and runs only when the first broke a rule that depends on the path.
 */
export class PathSearch {
  readonly #leaf: Certificate
  readonly #candidates: IssuerCandidates
  readonly #window: TimeWindow
  readonly #allowsOtherTrustDomains: boolean
  readonly #signatures: SignatureChecks
  readonly #revocation: Revocation
  readonly #excluded = new Set<Certificate>()
  readonly #nameConstraints = new NameConstraintChecks()
  readonly #policies = new PolicyChecks()
  readonly #reason = new RefusalReason()
  readonly #deferred: [step: Step, refusal: Refusal][] = []
  readonly #issuerRefusals = new Map<Certificate, Refusal | undefined>()
  #steps = 0
  #isSpent = false
  #isBoundToPath = false

  constructor({
    leaf,
    sent,
    bundle,
    now,
    clockSkewMs,
    allowsOtherTrustDomains,
    maxSignatureChecks,
    revocation,
  }: PathSearchParts) {
    this.#leaf = leaf
    this.#candidates = new IssuerCandidates(bundle, sent)
    this.#allowsOtherTrustDomains = allowsOtherTrustDomains
    this.#window = timeWindow(now, clockSkewMs)
    this.#signatures = new SignatureChecks(maxSignatureChecks)
    this.#revocation = new Revocation(bundle, revocation, now, this.#signatures)
  }

  run(): SearchResult {
    const found = this.#search(new Set()) ?? (this.#isBoundToPath ? this.#search() : undefined)
    return found ?? { ok: false, refusal: this.#explainFailure() }
  }

  #explainFailure(): Refusal {
    if (this.#isSpent) {
      const message = 'the search for a path took too many signature checks'
      return { code: 'budget-exceeded', message }
    }
    if (this.#excluded.has(this.#leaf)) return REVOKED
    for (const [step, refusal] of this.#deferred) this.#explain(step, refusal)
    return this.#reason.refusal
  }

  /** @param reached the certificates that were expanded; absent in the search that tries all paths */
  #search(reached?: Set<Certificate>): FoundPath | undefined {
    const frontier = new Frontier()
    this.#expand([this.#leaf], frontier)
    for (let step = frontier.take(); step !== undefined; step = frontier.take()) {
      const { path, certificate, isAnchor } = step
      if (this.#isOutOfSteps(path)) return undefined
      if (reached?.has(certificate) === true || this.#isClosed(step)) continue
      if (!this.#accepts(step)) continue
      const longer = [...path, certificate]
      if (isAnchor) {
        const coveredUntil = this.#coverage(longer)
        if (coveredUntil !== undefined) return { ok: true, path: longer, coveredUntil }
      } else {
        reached?.add(certificate)
        this.#expand(longer, frontier)
      }
    }
    return undefined
  }

  #isOutOfSteps(path: readonly Certificate[]): boolean {
    this.#steps += path.length
    if (this.#steps > MAX_STEPS) this.#isSpent = true
    return this.#isSpent
  }

  #expand(path: readonly Certificate[], frontier: Frontier): void {
    const end = path.at(-1)!
    if (end.signatureAlgorithm === undefined) {
      const message = 'a certificate is signed in a way that is not allowed'
      this.#reason.record(path, true, { code: 'weak-signature', message })
    } else {
      frontier.add(path, this.#candidates.of(end))
    }
  }

  /** Whether the issuer of `step` issued the end of its path, and may have. */
  #accepts(step: Step): boolean {
    const { path, certificate } = step
    const refusal = this.#issuerRefusal(step)
    if (refusal !== undefined) {
      this.#deferred.push([step, refusal])
      return false
    }
    const isSigned = this.#signatures.check(path.at(-1)!, certificate)
    if (isSigned === undefined) this.#isSpent = true
    if (isSigned !== true) {
      this.#reason.recordBadSignature(path)
      return false
    }
    return this.#keeps(path, pathRefusal(certificate, path, this.#nameConstraints))
  }

  /** Whether a path keeps a rule that depends on the whole of it. */
  #keeps(path: readonly Certificate[], refusal: Refusal | undefined): boolean {
    if (refusal === undefined) return true
    this.#isBoundToPath = true
    this.#reason.record(path, true, refusal)
    return false
  }

  /**
   * Until when revocation lists cover a complete path; `undefined` when they, or certificate policies
   * (RFC 5280 §6.1.5), do not let it through.
   *
   * RFC 5280 §4.1.2.2: issuer name and serial number identify one certificate. A revoked certificate is excluded from
   * every path, and a revoked leaf ends the search. §6.1: another certificate with the same name and key, from another
   * issuer, is not affected: a path through it may be valid.
   */
  #coverage(path: readonly Certificate[]): number | undefined {
    if (!this.#keeps(path, this.#policies.refusal(path))) return undefined
    const coverage = this.#revocation.check(path)
    if (this.#signatures.isSpent) this.#isSpent = true
    if (this.#isSpent) return undefined
    if (coverage.ok) return coverage.until
    this.#excluded.add(coverage.excluded)
    this.#keeps(path, coverage.refusal)
    return undefined
  }

  /** Whether the step leads in a circle, or through a certificate that revocation lists exclude. */
  #isClosed({ path, certificate }: Step): boolean {
    if (isOnPath(path, certificate)) return true
    if (this.#excluded.size === 0) return false
    return this.#excluded.has(certificate) || path.some((below) => this.#excluded.has(below))
  }

  /** The rules for issuers that hold on every path, checked once for each certificate. */
  #issuerRefusal({ certificate, isAnchor }: Step): Refusal | undefined {
    if (!this.#issuerRefusals.has(certificate)) {
      const mayBeForeign = isAnchor || this.#allowsOtherTrustDomains
      const leaf = mayBeForeign ? undefined : this.#leaf
      this.#issuerRefusals.set(certificate, issuerRefusal(certificate, this.#window, leaf))
    }
    return this.#issuerRefusals.get(certificate)
  }

  /** Records a deferred issuer: the rule that it breaks when it signed, else that it did not sign. */
  #explain({ path, certificate }: Step, refusal: Refusal): void {
    // With a very large key, the check itself would be expensive.
    const isSigned =
      certificate.publicKey.weakness === undefined
        ? this.#signatures.check(path.at(-1)!, certificate)
        : undefined
    if (isSigned === false) this.#reason.recordBadSignature(path)
    else this.#reason.record(path, isSigned === true, refusal)
  }
}

/** No name and key occur twice on a path, so it is never longer than what was sent, and an anchor. */
function isOnPath(path: readonly Certificate[], { subject, publicKey }: Certificate): boolean {
  return path.some(
    (certificate) =>
      certificate.subject.equals(subject) && sameBytes(certificate.publicKey.spki, publicKey.spki),
  )
}
