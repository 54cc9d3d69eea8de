import type { Certificate } from '../x509/certificate.ts'

/**
 * The signature checks of one verification: each pair is checked once, and together they cost no more
 * than the budget allows. Dear keys, which a peer may send as well, count for several checks.
 */
export class SignatureChecks {
  readonly #max: number
  readonly #results = new Map<Certificate, Map<Certificate, boolean>>()
  #cost = 0

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
    const cost = this.#cost + issuer.publicKey.checkCost
    if (!(cost <= this.#max)) return undefined
    this.#cost = cost
    const result = child.isSignedBy(issuer)
    results.set(issuer, result)
    return result
  }
}
