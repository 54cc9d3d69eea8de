import type { Certificate } from '../x509/certificate.ts'

/**
 * The signature checks of one verification: each pair is checked once, and not more than the
 * budget allows.
 */
export class SignatureChecks {
  readonly #max: number
  readonly #results = new Map<Certificate, Map<Certificate, boolean>>()
  #count = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Whether `issuer` signed `child`; `undefined` when the budget is spent. */
  check(child: Certificate, issuer: Certificate): boolean | undefined {
    let results = this.#results.get(child)
    if (results === undefined) {
      results = new Map()
      this.#results.set(child, results)
    }
    const known = results.get(issuer)
    if (known !== undefined) return known
    // Written so that a budget of NaN allows nothing.
    if (!(this.#count < this.#max)) return undefined
    this.#count += 1
    const result = child.isSignedBy(issuer)
    results.set(issuer, result)
    return result
  }
}
