import type { Parsed } from '../errors.ts'
import { Fault, asParsed, orThrow } from './fault.ts'
import { inspectAsText } from './inspect.ts'
import { quoteId } from './quote.ts'
// oxlint-disable-next-line import/no-cycle -- each class makes the other, but not while the modules load
import { SpiffeId } from './spiffe-id.ts'
import { splitSpiffeId, trustDomainFault } from './syntax.ts'

/**
 * The trust root of a set of SPIFFE IDs, such as `example.org`. Immutable.
 *
 * A name is 1 to 255 bytes of `a-z`, `0-9`, `.`, `-` and `_`; it need not be a DNS name, and one
 * that looks like an IP address has no special meaning (SPIFFE-ID §2.1, §2.3).
 */
export class TrustDomain {
  readonly name: string
  #id: SpiffeId | undefined

  static {
    inspectAsText(this)
  }

  private constructor(name: string) {
    this.name = name
    Object.freeze(this)
  }

  /**
   * Reads a trust domain from its bare name or from a full SPIFFE ID, of which it takes the authority.
   * @throws {@link SpiffeError} `invalid-trust-domain`
   */
  static parse(input: string): TrustDomain {
    return orThrow(TrustDomain.#read(input))
  }

  /** As {@link TrustDomain.parse}, for a value of any type, without throwing. */
  static safeParse(input: unknown): Parsed<TrustDomain> {
    return asParsed(TrustDomain.#read(input))
  }

  static #read(input: unknown): TrustDomain | Fault {
    if (typeof input !== 'string') {
      return new Fault(
        'invalid-trust-domain',
        `a trust domain must be a string, not ${quoteId(input)}`,
      )
    }
    if (input.includes('://')) {
      const parts = splitSpiffeId(input)
      return parts.fault === null ? new TrustDomain(parts.name) : refusal(input, parts.fault)
    }
    const fault = trustDomainFault(input)
    return fault === null ? new TrustDomain(input) : refusal(input, fault)
  }

  /** The SPIFFE ID of the trust domain itself, which has no path: `spiffe://example.org`. */
  get id(): SpiffeId {
    return (this.#id ??= SpiffeId.of(this))
  }

  /** Whether both have the same name, byte for byte. */
  equals(other: TrustDomain): boolean {
    return this.name === other.name
  }

  /** The bare name. */
  toString(): string {
    return this.name
  }

  toJSON(): string {
    return this.name
  }
}

function refusal(input: string, rule: string): Fault {
  return new Fault('invalid-trust-domain', `invalid trust domain ${quoteId(input)}: ${rule}`)
}
