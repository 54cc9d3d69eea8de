import type { X509Bundle } from '../x509/bundle.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { RevocationList } from '../x509/revocation-list.ts'
import type { Refusal } from './refusal.ts'
import type { RevocationPolicy } from './revocation-policy.ts'
import type { SignatureChecks } from './signature-checks.ts'

const UNKNOWN: Refusal = {
  code: 'revocation-unknown',
  message: 'a certificate is not covered by a current revocation list of its issuer',
}

export const REVOKED: Refusal = {
  code: 'revoked',
  message: 'a certificate is revoked by its issuer',
}

/** The result of checking a path against the revocation lists. */
export type Coverage =
  | {
      readonly ok: true
      /** Until when the lists cover the path; `Infinity` where they do not have to. */
      readonly until: number
    }
  | {
      readonly ok: false
      readonly refusal: Refusal
      /** No valid path has this certificate: it is revoked, or an issuer without a list. */
      readonly excluded: Certificate
    }

/**
 * The revocation lists of one bundle, for one verification (RFC 5280 §6.3). Lists are complete and
 * come from the issuer itself, so the name and the key of the issuer determine which list counts.
 */
export class Revocation {
  readonly #bundle: X509Bundle
  readonly #policy: RevocationPolicy
  readonly #now: number
  readonly #signatures: SignatureChecks

  constructor(
    bundle: X509Bundle,
    policy: RevocationPolicy,
    now: number,
    signatures: SignatureChecks,
  ) {
    this.#bundle = bundle
    this.#policy = policy
    this.#now = now
    this.#signatures = signatures
  }

  /**
   * Checks a path whose signatures are verified, leaf first, anchor last: the signature of a long list
   * is expensive, so nobody unproven may cause its check. It goes from the anchor down, so that the list
   * of a revoked issuer does not count.
   */
  check(path: readonly Certificate[]): Coverage {
    let until = Infinity
    if (this.#policy === 'off') return { ok: true, until }
    for (let index = path.length - 1; index > 0; index -= 1) {
      const [child, issuer] = [path[index - 1]!, path[index]!]
      const list = this.#currentList(issuer)
      if (list?.has(child.serialNumber) === true) {
        return { ok: false, refusal: REVOKED, excluded: child }
      }
      if (this.#policy === 'soft') continue
      if (list === undefined) return { ok: false, refusal: UNKNOWN, excluded: issuer }
      until = Math.min(until, list.nextUpdate)
    }
    return { ok: true, until }
  }

  /** The latest current list of the issuer, which replaces the lists before it. */
  #currentList(issuer: Certificate): RevocationList | undefined {
    // RFC 5280 §6.3.3 f: an issuer whose key usage does not say cRLSign signs no lists.
    if (issuer.extensions.keyUsage?.value.includes('cRLSign') === false) return undefined
    return this.#bundle
      .revocationListsOf(issuer.subject)
      .find(
        (list) => list.isCurrent(this.#now) && this.#signatures.checkList(list, issuer) === true,
      )
  }
}
