/** The owner of a record. */
export interface OwnedRecord {
  /** `null`: nobody's. */
  readonly trustDomain: string | null
  readonly tenant: string | null
}

/** Neither a trust domain nor a tenant: no name is empty. */
const NOBODY = ''

/** The records of one tenant, by their numbers, the oldest first. */
type Numbers = number[]

interface Domain {
  count: number
  readonly tenants: Map<string | null, Numbers>
}

/**
 * Records that wait, in the order in which they came. When there are too many, one of the largest
 * owner is dropped: of the trust domain with most records, and in it of the tenant with most. So no
 * caller can crowd out the records of others.
 */
export class WaitingRecords<R extends OwnedRecord> {
  readonly #max: number
  readonly #records = new Map<number, R>()
  readonly #domains = new Map<string | null, Domain>()
  #next = 0

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#records.size
  }

  /** Adds a record. Returns whether that dropped one: this or another. */
  add(record: R): boolean {
    const isFull = this.#records.size >= this.#max
    if (isFull && !this.#makeRoomFor(record)) return true
    const number = this.#next++
    this.#records.set(number, record)
    const domain = this.#domains.get(record.trustDomain) ?? { count: 0, tenants: new Map() }
    this.#domains.set(record.trustDomain, domain)
    domain.count++
    const numbers = domain.tenants.get(record.tenant)
    if (numbers === undefined) domain.tenants.set(record.tenant, [number])
    else numbers.push(number)
    return isFull
  }

  /** Takes out the oldest records. */
  take(count: number): readonly R[] {
    const taken: R[] = []
    for (const [number, record] of this.#records) {
      if (taken.length === count) break
      this.#records.delete(number)
      this.#forget(record, (numbers) => numbers.shift())
      taken.push(record)
    }
    return taken
  }

  /**
   * Drops the latest record of the largest owner. Returns `false` where that is the owner of the
   * new one.
   */
  #makeRoomFor(record: R): boolean {
    const trustDomain = heaviest(this.#domains, record.trustDomain, countOf)
    const isSameDomain = trustDomain === record.trustDomain
    const tenants = this.#domains.get(trustDomain)?.tenants ?? new Map<string | null, Numbers>()
    const tenant = heaviest(tenants, isSameDomain ? record.tenant : NOBODY, lengthOf)
    const latest = tenants.get(tenant)?.at(-1)
    if ((isSameDomain && tenant === record.tenant) || latest === undefined) return false
    this.#records.delete(latest)
    this.#forget({ trustDomain, tenant }, (numbers) => numbers.pop())
    return true
  }

  #forget({ trustDomain, tenant }: OwnedRecord, remove: (numbers: Numbers) => void): void {
    const domain = this.#domains.get(trustDomain)
    const numbers = domain?.tenants.get(tenant)
    if (domain === undefined || numbers === undefined) return
    remove(numbers)
    domain.count--
    if (numbers.length === 0) domain.tenants.delete(tenant)
    if (domain.count === 0) this.#domains.delete(trustDomain)
  }
}

const lengthOf = ({ length }: Numbers): number => length
const countOf = ({ count }: Domain): number => count

/** The key of the heaviest entry. Where `own` would be as heavy with one more, it is that. */
function heaviest<V>(
  entries: ReadonlyMap<string | null, V>,
  own: string | null,
  weightOf: (value: V) => number,
): string | null {
  const value = entries.get(own)
  let found = own
  let most = own === NOBODY ? 0 : 1 + (value === undefined ? 0 : weightOf(value))
  for (const [key, entry] of entries) {
    if (weightOf(entry) <= most) continue
    found = key
    most = weightOf(entry)
  }
  return found
}
