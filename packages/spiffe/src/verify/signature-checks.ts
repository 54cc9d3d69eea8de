import { latin1 } from '../x509/bytes.ts'
import type { Certificate } from '../x509/certificate.ts'
import type { RevocationList } from '../x509/revocation-list.ts'

/**
 * The signature checks of one verification. Each certificate is checked once with each key, and all
 * checks together cost at most the budget. Expensive keys, which a peer may send, count as several
 * checks.
 */
export class SignatureChecks {
  readonly #max: number
  // By the octets of the key: cross-signed authorities have many certificates with one key.
  readonly #results = new Map<Certificate, Map<string, boolean>>()
  #cost = 0
  #isSpent = false

  constructor(max: number) {
    this.#max = max
  }

  /** Whether the budget did not allow a check. */
  get isSpent(): boolean {
    return this.#isSpent
  }

  /** Whether the key of `issuer` signed `child`; `undefined` when the budget is spent. */
  check(child: Certificate, issuer: Certificate): boolean | undefined {
    // A signature of another kind needs no check, and a key of that kind costs nothing.
    if (child.signatureAlgorithm?.keyType !== issuer.publicKey.type) return false
    let results = this.#results.get(child)
    if (results === undefined) {
      results = new Map()
      this.#results.set(child, results)
    }
    const key = latin1(issuer.publicKey.spki)
    const known = results.get(key)
    if (known !== undefined) return known
    if (!this.#afford(issuer)) return undefined
    const result = child.isSignedBy(issuer)
    results.set(key, result)
    return result
  }

  /** The same for a revocation list, which remembers results, and these cost nothing. */
  checkList(list: RevocationList, issuer: Certificate): boolean | undefined {
    return list.knownSigner(issuer) ?? (this.#afford(issuer) ? list.isSignedBy(issuer) : undefined)
  }

  #afford({ publicKey }: Certificate): boolean {
    const cost = this.#cost + publicKey.checkCost
    // Written so that a budget of NaN allows nothing.
    if (!(cost <= this.#max)) this.#isSpent = true
    else this.#cost = cost
    return !this.#isSpent
  }
}
