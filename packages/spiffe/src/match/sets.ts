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
  return new Exactly([toSpiffeId(expected)])
}

/**
 * Matches each of the SPIFFE IDs, at the cost of one comparison; without arguments, nothing.
 * @throws {@link SpiffeError} `invalid-spiffe-id`
 */
export function matchOneOf(...expected: readonly (SpiffeId | string)[]): SpiffeIdMatcher {
  return new OneOf(expected.map(toSpiffeId))
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

  override get isFixed(): boolean {
    return true
  }

  toString(): string {
    return 'matchAny()'
  }
}

/** Matches SPIFFE IDs that are listed. */
export abstract class ExactMatcher extends SpiffeIdMatcher {
  readonly texts: readonly string[]
  readonly #expected: ReadonlySet<string>

  constructor(expected: readonly SpiffeId[]) {
    super()
    this.#expected = new Set(expected.map((id) => id.toString()))
    this.texts = [...this.#expected]
  }

  matches(candidate: SpiffeId): boolean {
    return this.#expected.has(candidate.toString())
  }

  override get isFixed(): boolean {
    return true
  }

  override get trustDomains(): ReadonlySet<string> {
    const ids = this.texts.map((text) => SpiffeId.parse(text))
    return new Set(ids.filter(({ path }) => path !== '').map(({ trustDomain }) => trustDomain.name))
  }
}

class Exactly extends ExactMatcher {
  toString(): string {
    return `matchId('${this.texts.join()}')`
  }
}

class OneOf extends ExactMatcher {
  toString(): string {
    return `matchOneOf(${this.texts.map((each) => `'${each}'`).join(', ')})`
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

  override get isFixed(): boolean {
    return true
  }

  override get trustDomains(): ReadonlySet<string> {
    return new Set([this.#trustDomain.name])
  }

  toString(): string {
    return `matchMemberOf('${this.#trustDomain.name}')`
  }
}

/** The one SPIFFE ID that a matcher matches, if it lists it by itself; `null` for any other matcher. */
export function singleIdOf(matcher: SpiffeIdMatcher): SpiffeId | null {
  if (!(matcher instanceof ExactMatcher) || matcher.texts.length !== 1) return null
  return SpiffeId.parse(matcher.texts[0]!)
}

function toSpiffeId(value: SpiffeId | string): SpiffeId {
  return value instanceof SpiffeId ? value : SpiffeId.parse(value)
}
