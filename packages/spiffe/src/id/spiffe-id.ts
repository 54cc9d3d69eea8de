import { SpiffeError } from '../errors.ts'
import type { Parsed } from '../errors.ts'
import { Fault, asParsed, orThrow } from './fault.ts'
import { inspectAsText } from './inspect.ts'
import { quoteId } from './quote.ts'
import { SCHEME, segmentFault, splitSpiffeId, trustDomainFault } from './syntax.ts'
import type { SpiffeIdParts } from './syntax.ts'

/**
 * The identity of a workload, such as `spiffe://example.org/acme/web`. Immutable.
 *
 * It has its own parser: `URL` would change dot segments, case, ports and newlines. Nothing is
 * normalised: an identity has one spelling, and any other is refused, such as an upper-case scheme or
 * trust domain (SPIFFE-ID §2).
 */
export class SpiffeId {
  readonly trustDomain: TrustDomain
  /** `''`, or the segments, each after a `/`. */
  readonly path: string
  readonly segments: readonly string[]
  readonly #text: string

  static {
    inspectAsText(this)
  }

  private constructor(text: string, trustDomain: TrustDomain, { path, segments }: SpiffeIdParts) {
    this.trustDomain = trustDomain
    this.path = path
    this.segments = Object.freeze(segments)
    this.#text = text
    Object.freeze(this)
  }

  /**
   * Reads a SPIFFE ID, at most 2048 bytes long.
   * @throws {@link SpiffeError} `invalid-spiffe-id`
   */
  static parse(input: string): SpiffeId {
    return orThrow(SpiffeId.#read(input))
  }

  /** As {@link SpiffeId.parse}, for a value of any type, without throwing. */
  static safeParse(input: unknown): Parsed<SpiffeId> {
    return asParsed(SpiffeId.#read(input))
  }

  /**
   * Builds a SPIFFE ID; without segments, that of the trust domain itself. A `/` in a segment is
   * refused, so that one segment cannot become two.
   * @throws {@link SpiffeError} `invalid-trust-domain`, or `invalid-spiffe-id` for a segment or the whole
   */
  static of(trustDomain: TrustDomain | string, ...segments: string[]): SpiffeId {
    const domain = trustDomain instanceof TrustDomain ? trustDomain : TrustDomain.parse(trustDomain)
    for (const segment of segments) {
      const fault = typeof segment === 'string' ? segmentFault(segment) : 'it must be a string'
      if (fault === null) continue
      const message = `invalid path segment ${quoteId(segment)}: ${fault}`
      throw new SpiffeError('invalid-spiffe-id', message)
    }
    const path = segments.map((segment) => `/${segment}`).join('')
    return orThrow<SpiffeId>(SpiffeId.#read(`${SCHEME}${domain.name}${path}`, domain))
  }

  static #read(input: unknown, trustDomain?: TrustDomain): SpiffeId | Fault {
    if (typeof input !== 'string') {
      return new Fault('invalid-spiffe-id', `a SPIFFE ID must be a string, not ${quoteId(input)}`)
    }
    const parts = splitSpiffeId(input)
    if (parts.fault !== null) {
      return new Fault('invalid-spiffe-id', `invalid SPIFFE ID ${quoteId(input)}: ${parts.fault}`)
    }
    return new SpiffeId(input, trustDomain ?? TrustDomain.parse(parts.name), parts)
  }

  /**
   * Whether both are the same, byte for byte. A string that is not a SPIFFE ID throws, because it could
   * never be equal. `===` with a string is always false.
   * @throws {@link SpiffeError} `invalid-spiffe-id` for a string that is not a SPIFFE ID
   */
  equals(other: SpiffeId | string): boolean {
    if (other === this.#text) return true
    if (other instanceof SpiffeId) return this.#text === other.#text
    const parsed = SpiffeId.safeParse(textOf(other))
    if (!parsed.ok) throw parsed.error
    return this.#text === parsed.value.#text
  }

  /** The SPIFFE ID itself; templates and `==` call it too. */
  toString(): string {
    return this.#text
  }

  toJSON(): string {
    return this.#text
  }
}

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
   * Reads a trust domain from its bare name, or from the authority of a full SPIFFE ID.
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
      return parts.fault === null
        ? new TrustDomain(parts.name)
        : trustDomainRefusal(input, parts.fault)
    }
    const fault = trustDomainFault(input)
    return fault === null ? new TrustDomain(input) : trustDomainRefusal(input, fault)
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

/** An instance from another copy of this package has another class, and is compared by its text. */
function textOf(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('trustDomain' in value)) return value
  return 'toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON() : value
}

function trustDomainRefusal(input: string, rule: string): Fault {
  return new Fault('invalid-trust-domain', `invalid trust domain ${quoteId(input)}: ${rule}`)
}
