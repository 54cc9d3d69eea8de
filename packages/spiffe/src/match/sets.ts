import { SpiffeId, TrustDomain } from '../id/spiffe-id.ts'
import { SpiffeIdMatcher } from './matcher.ts'

/** Matches every SPIFFE ID, of every trust domain. */
export function matchAny(): SpiffeIdMatcher {
  return new Anyone()
}

/**
 * Matches one SPIFFE ID, byte for byte.
 * @throws {@link SpiffeError} `invalid-spiffe-id`
 */
export function matchId(expected: SpiffeId | string): SpiffeIdMatcher {
  return new Exactly(toSpiffeId(expected))
}

/**
 * Matches each of the SPIFFE IDs, at the cost of one comparison; without arguments, nothing.
 * @throws {@link SpiffeError} `invalid-spiffe-id`
 */
export function matchOneOf(...expected: readonly (SpiffeId | string)[]): SpiffeIdMatcher {
  return new OneOf(expected.map((each) => toSpiffeId(each).toString()))
}

/**
 * Matches every SPIFFE ID of one trust domain, its own included.
 * @throws {@link SpiffeError} `invalid-trust-domain`
 */
export function matchMemberOf(trustDomain: TrustDomain | string): SpiffeIdMatcher {
  return new MemberOf(
    trustDomain instanceof TrustDomain ? trustDomain : TrustDomain.parse(trustDomain),
  )
}

class Anyone extends SpiffeIdMatcher {
  matches(): boolean {
    return true
  }

  toString(): string {
    return 'matchAny()'
  }
}

class Exactly extends SpiffeIdMatcher {
  readonly #expected: SpiffeId

  constructor(expected: SpiffeId) {
    super()
    this.#expected = expected
  }

  matches(candidate: SpiffeId): boolean {
    return this.#expected.equals(candidate)
  }

  override get trustDomains(): ReadonlySet<string> {
    return domainsOf([this.#expected])
  }

  toString(): string {
    return `matchId('${this.#expected.toString()}')`
  }
}

class OneOf extends SpiffeIdMatcher {
  readonly #expected: ReadonlySet<string>

  constructor(expected: readonly string[]) {
    super()
    this.#expected = new Set(expected)
  }

  matches(candidate: SpiffeId): boolean {
    return this.#expected.has(candidate.toString())
  }

  override get trustDomains(): ReadonlySet<string> {
    return domainsOf(Array.from(this.#expected, (text) => SpiffeId.parse(text)))
  }

  toString(): string {
    return `matchOneOf(${[...this.#expected].map((each) => `'${each}'`).join(', ')})`
  }
}

class MemberOf extends SpiffeIdMatcher {
  readonly #trustDomain: TrustDomain

  constructor(trustDomain: TrustDomain) {
    super()
    this.#trustDomain = trustDomain
  }

  matches(candidate: SpiffeId): boolean {
    return this.#trustDomain.equals(candidate.trustDomain)
  }

  override get trustDomains(): ReadonlySet<string> {
    return new Set([this.#trustDomain.name])
  }

  toString(): string {
    return `matchMemberOf('${this.#trustDomain.name}')`
  }
}

function domainsOf(ids: readonly SpiffeId[]): ReadonlySet<string> {
  return new Set(ids.filter(({ path }) => path !== '').map(({ trustDomain }) => trustDomain.name))
}

function toSpiffeId(value: SpiffeId | string): SpiffeId {
  return value instanceof SpiffeId ? value : SpiffeId.parse(value)
}
