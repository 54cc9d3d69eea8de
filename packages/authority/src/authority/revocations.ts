import { RevocationList } from '@fastify-spiffe/spiffe'
import { reader } from '../options.ts'
import type { MintedCa } from '../minting/minted-ca.ts'
import { REVOCATION_LIST_TTL_MS } from '../minting/revocation-list.ts'
import type { LocalAuthorities } from './local-authorities.ts'
import { halfLife } from '../schedule.ts'
import type { AuthoritySettings } from './settings.ts'

// RFC 5280 §4.1.2.2: 20 octets at most.
const SERIAL_NUMBER = /^(?:[0-9a-f]{2}){1,20}$/

interface Issued {
  readonly list: RevocationList
  /** When the next one is due. */
  readonly renewAt: number
}

/** What the authority has revoked, and the lists that say so: one of each CA, with all serial numbers. */
export class Revocations {
  readonly #clock: () => number
  readonly #ttlMs: number
  readonly #authorities: LocalAuthorities
  readonly #serialNumbers = new Set<string>()
  #issued = new Map<MintedCa, Issued>()
  #isActive: boolean
  #isNews = false

  constructor(settings: AuthoritySettings, authorities: LocalAuthorities) {
    const { clock, revocationListTtlMs } = settings
    this.#clock = clock
    this.#ttlMs = revocationListTtlMs ?? REVOCATION_LIST_TTL_MS
    this.#authorities = authorities
    // As SPIRE, which has no revocation lists, until they are asked for.
    this.#isActive = revocationListTtlMs !== undefined
  }

  get lists(): RevocationList[] {
    return [...this.#issued.values()].map(({ list }) => list)
  }

  /** When the next list is due; `Infinity` as long as there is none. */
  get nextIssue(): number {
    return Math.min(Infinity, ...[...this.#issued.values()].map(({ renewAt }) => renewAt))
  }

  /**
   * Revokes a certificate, from the next {@link issue} on.
   * @throws {@link AuthorityError} `invalid-option`
   */
  add(serialNumber: string): void {
    if (!SERIAL_NUMBER.test(serialNumber)) {
      reader.refuse(
        'a serial number',
        serialNumber,
        'must be 1 to 20 octets in lower-case hexadecimal',
      )
    }
    this.#isActive = true
    this.#isNews = true
    this.#serialNumbers.add(serialNumber)
  }

  /** Issues the lists that are due, for all CAs that the authority has now. */
  async issue(): Promise<void> {
    if (!this.#isActive) return
    const issued = this.#authorities.signers.map(
      async (ca) => [ca, await this.#listOf(ca)] as const,
    )
    this.#issued = new Map(await Promise.all(issued))
    this.#isNews = false
  }

  async #listOf(ca: MintedCa): Promise<Issued> {
    const now = this.#clock()
    const known = this.#issued.get(ca)
    if (known !== undefined && now < known.renewAt && !this.#isNews) return known
    const nextUpdate = now + this.#ttlMs
    const der = await ca.mintRevocationList({ revoked: [...this.#serialNumbers], nextUpdate })
    return { list: RevocationList.fromDer(der), renewAt: halfLife(now, nextUpdate) }
  }
}
