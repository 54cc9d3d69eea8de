import { sameBytes } from '../x509/bytes.ts'
import type { X509Bundle } from '../x509/bundle.ts'
import type { Certificate } from '../x509/certificate.ts'
import { weakKeyRefusal } from '../x509/leaf-profile.ts'
import { issuerCandidates } from './candidates.ts'
import { foreignIntermediateRefusal, issuerRefusal } from './issuer-rules.ts'
import type { Refusal } from './refusal.ts'
import { SignatureChecks } from './signature-checks.ts'

/** Candidates that are looked at, signature checks or not: a backstop against crowded names. */
const MAX_STEPS = 4096

const NO_PATH: Refusal = {
  code: 'no-path',
  message:
    'no authority of the trust domain, and nothing that was sent, has the name of the issuer',
}
const BUDGET_EXCEEDED: Refusal = {
  code: 'budget-exceeded',
  message: 'the search for a path took too many signature checks',
}

/**
 * The search for a path from a leaf to an authority of one bundle (RFC 5280 §6.1, RFC 4158). It goes
 * back and tries the next issuer of the same name when one fails higher up.
 */
export class PathSearch {
  readonly #bundle: X509Bundle
  readonly #sent: readonly Certificate[]
  readonly #now: number
  readonly #signatures: SignatureChecks
  #steps = 0
  #isSpent = false
  #reason: Refusal = NO_PATH
  #progress = 0

  constructor(
    bundle: X509Bundle,
    sent: readonly Certificate[],
    now: number,
    maxSignatureChecks: number,
  ) {
    this.#bundle = bundle
    this.#sent = sent
    this.#now = now
    this.#signatures = new SignatureChecks(maxSignatureChecks)
  }

  /** Why there is no path: what stopped the attempt that got furthest. */
  get reason(): Refusal {
    return this.#isSpent ? BUDGET_EXCEEDED : this.#reason
  }

  /**
   * Leads a proven path, leaf first, on to an anchor; `undefined` when there is no way. No name and
   * key occur twice on it, so it is never longer than what was sent, and an anchor.
   */
  find(path: readonly Certificate[]): readonly Certificate[] | undefined {
    const child = path.at(-1)!
    if (child.signatureAlgorithm === undefined) {
      this.#note(path, true, {
        code: 'weak-signature',
        message: 'a certificate is signed in a way that is not allowed',
      })
      return undefined
    }
    for (const { certificate, isAnchor } of issuerCandidates(child, this.#sent, this.#bundle)) {
      if (this.#isOutOfSteps()) return undefined
      if (isOnPath(path, certificate)) continue
      if (!this.#accepts(path, certificate, isAnchor)) continue
      const longer = [...path, certificate]
      const found = isAnchor ? longer : this.find(longer)
      if (found !== undefined) return found
    }
    return undefined
  }

  #isOutOfSteps(): boolean {
    this.#steps += 1
    if (this.#steps > MAX_STEPS) this.#isSpent = true
    return this.#isSpent
  }

  /** Whether `issuer` issued the end of `path`, and may have. */
  #accepts(path: readonly Certificate[], issuer: Certificate, isAnchor: boolean): boolean {
    // Before the signature: a monstrous key would make the check itself dear.
    const weakness = weakKeyRefusal(issuer, 'an issuer')
    if (weakness !== undefined) return this.#note(path, false, weakness)
    const isSigned = this.#signatures.check(path.at(-1)!, issuer)
    if (isSigned === undefined) {
      this.#isSpent = true
      return false
    }
    if (!isSigned) {
      return this.#note(path, false, {
        code: 'bad-signature',
        message: 'an issuer of the right name did not make the signature',
      })
    }
    const refusal =
      issuerRefusal(issuer, path, this.#now) ??
      (isAnchor ? undefined : foreignIntermediateRefusal(issuer, path[0]!))
    return refusal === undefined || this.#note(path, true, refusal)
  }

  /** Keeps the refusal of the attempt that got furthest, the first of equals. */
  #note(path: readonly Certificate[], isSigned: boolean, refusal: Refusal): false {
    const progress = path.length * 2 + (isSigned ? 1 : 0)
    if (progress > this.#progress) {
      this.#progress = progress
      this.#reason = refusal
    }
    return false
  }
}

function isOnPath(path: readonly Certificate[], { subject, publicKey }: Certificate): boolean {
  return path.some(
    (certificate) =>
      certificate.subject.equals(subject) && sameBytes(certificate.publicKey.spki, publicKey.spki),
  )
}
