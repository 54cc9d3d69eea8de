import { sameBytes } from '../x509/bytes.ts'
import type { X509Bundle } from '../x509/bundle.ts'
import type { Certificate } from '../x509/certificate.ts'
import { IssuerCandidates } from './candidates.ts'
import { Frontier, type Step } from './frontier.ts'
import { issuerRefusal, pathRefusal } from './issuer-rules.ts'
import type { Refusal } from './refusal.ts'
import { RefusalReason } from './refusal-reason.ts'
import { SignatureChecks } from './signature-checks.ts'

/** Candidates that are looked at, signature checks or not: a backstop against crowded names. */
const MAX_STEPS = 32_768

/**
 * The search for a path from a leaf to an authority of one bundle (RFC 5280 §6.1, RFC 4158).
 *
 * Issuers that could not be used whoever signed with them are set aside; the others are tried in the
 * order of {@link Frontier}. Each certificate is led on from once, from the first path that reaches
 * it, so that authorities which all certify one another cost no more than there are of them. Only
 * when a rule that depends on the path was broken are other ways to the same certificate tried too.
 */
export class PathSearch {
  readonly #leaf: Certificate
  readonly #candidates: IssuerCandidates
  readonly #now: number
  readonly #signatures: SignatureChecks
  readonly #reason = new RefusalReason()
  readonly #setAside: [step: Step, refusal: Refusal][] = []
  readonly #verdicts = new Map<Certificate, Refusal | undefined>()
  #steps = 0
  #isSpent = false
  #isBoundToPath = false

  constructor(
    leaf: Certificate,
    sent: readonly Certificate[],
    bundle: X509Bundle,
    now: number,
    maxSignatureChecks: number,
  ) {
    this.#leaf = leaf
    this.#candidates = new IssuerCandidates(bundle, sent)
    this.#now = now
    this.#signatures = new SignatureChecks(maxSignatureChecks)
  }

  /** The path, leaf first and anchor last, or why there is none: what stopped the attempt that got furthest. */
  run(): readonly Certificate[] | Refusal {
    const path = this.#search(new Set()) ?? (this.#isBoundToPath ? this.#search() : undefined)
    if (path !== undefined) return path
    if (this.#isSpent) {
      const message = 'the search for a path took too many signature checks'
      return { code: 'budget-exceeded', message }
    }
    for (const [step, refusal] of this.#setAside) this.#explain(step, refusal)
    return this.#reason.refusal
  }

  /** @param reached the certificates that were led on from; none when all ways are to be tried */
  #search(reached?: Set<Certificate>): readonly Certificate[] | undefined {
    const frontier = new Frontier()
    this.#leadOn([this.#leaf], frontier)
    for (let step = frontier.take(); step !== undefined; step = frontier.take()) {
      const { path, certificate, isAnchor } = step
      if (this.#isOutOfSteps()) return undefined
      if (reached?.has(certificate) === true || isOnPath(path, certificate)) continue
      if (!this.#accepts(step)) continue
      const longer = [...path, certificate]
      if (isAnchor) return longer
      reached?.add(certificate)
      this.#leadOn(longer, frontier)
    }
    return undefined
  }

  #isOutOfSteps(): boolean {
    this.#steps += 1
    if (this.#steps > MAX_STEPS) this.#isSpent = true
    return this.#isSpent
  }

  #leadOn(path: readonly Certificate[], frontier: Frontier): void {
    const end = path.at(-1)!
    if (end.signatureAlgorithm === undefined) {
      const message = 'a certificate is signed in a way that is not allowed'
      this.#reason.note(path, true, { code: 'weak-signature', message })
    } else {
      frontier.add(path, this.#candidates.of(end))
    }
  }

  /** Whether the issuer of `step` issued the end of its path, and may have. */
  #accepts(step: Step): boolean {
    const { path, certificate } = step
    const verdict = this.#judge(step)
    if (verdict !== undefined) {
      this.#setAside.push([step, verdict])
      return false
    }
    const isSigned = this.#signatures.check(path.at(-1)!, certificate)
    if (isSigned === undefined) this.#isSpent = true
    if (isSigned !== true) {
      this.#reason.noteBadSignature(path)
      return false
    }
    const refusal = pathRefusal(certificate, path)
    if (refusal === undefined) return true
    this.#isBoundToPath = true
    this.#reason.note(path, true, refusal)
    return false
  }

  /** The rules for issuers that hold on every path, looked at once for each certificate. */
  #judge({ certificate, isAnchor }: Step): Refusal | undefined {
    if (!this.#verdicts.has(certificate)) {
      const trusted = isAnchor ? undefined : this.#leaf
      this.#verdicts.set(certificate, issuerRefusal(certificate, this.#now, trusted))
    }
    return this.#verdicts.get(certificate)
  }

  /** Notes an issuer that was set aside: its rule when it signed, else that it did not. */
  #explain({ path, certificate }: Step, refusal: Refusal): void {
    // A monstrous key would make the check itself dear.
    const isSigned =
      certificate.publicKey.weakness === undefined
        ? this.#signatures.check(path.at(-1)!, certificate)
        : undefined
    if (isSigned === false) this.#reason.noteBadSignature(path)
    else this.#reason.note(path, isSigned === true, refusal)
  }
}

/** No name and key occur twice on a path, so it is never longer than what was sent, and an anchor. */
function isOnPath(path: readonly Certificate[], { subject, publicKey }: Certificate): boolean {
  return path.some(
    (certificate) =>
      certificate.subject.equals(subject) && sameBytes(certificate.publicKey.spki, publicKey.spki),
  )
}
