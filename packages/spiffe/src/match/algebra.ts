import { SpiffeError } from '../errors.ts'
import type { SpiffeId } from '../id/spiffe-id.ts'
import { SpiffeIdMatcher, answerOf } from './matcher.ts'
import type { Captures } from './matcher.ts'
import { Pattern } from './pattern.ts'
import { ExactMatcher } from './sets.ts'
import { toMatcher, type MatcherInput } from './to-matcher.ts'

/**
 * Matches what every one of `matchers` matches. It captures what they all capture; of two captures
 * with the same name, the first counts. Without arguments it throws: it would match everything.
 * @param matchers matchers, SPIFFE IDs, or SPIFFE IDs and patterns as strings; see {@link
 *   toMatcher}
 * @throws {@link SpiffeError} `invalid-pattern`, `invalid-spiffe-id`
 */
export function allOf(...matchers: readonly MatcherInput[]): SpiffeIdMatcher {
  if (matchers.length === 0) {
    throw new SpiffeError('invalid-pattern', 'allOf() needs a matcher: without any, it matches all')
  }
  return new AllOf(matchers.map(toMatcher))
}

/**
 * Matches what at least one of `matchers` matches; without arguments, nothing. It captures what the
 * first matching one captures.
 * @param matchers matchers, SPIFFE IDs, or SPIFFE IDs and patterns as strings; see {@link
 *   toMatcher}
 * @throws {@link SpiffeError} `invalid-pattern`, `invalid-spiffe-id`
 */
export function anyOf(...matchers: readonly MatcherInput[]): SpiffeIdMatcher {
  return new AnyOf(matchers.map(toMatcher))
}

/**
 * Matches what `matcher` does not match, **including the IDs of all other trust domains**, and
 * captures nothing. Usually it is used inside an {@link allOf}.
 * @param matcher a matcher, a SPIFFE ID, or a SPIFFE ID or pattern as a string; see {@link
 *   toMatcher}
 * @throws {@link SpiffeError} `invalid-pattern`, `invalid-spiffe-id`
 */
export function not(matcher: MatcherInput): SpiffeIdMatcher {
  return new Not(toMatcher(matcher))
}

class AllOf extends SpiffeIdMatcher {
  readonly #matchers: readonly SpiffeIdMatcher[]

  constructor(matchers: readonly SpiffeIdMatcher[]) {
    super()
    this.#matchers = matchers
  }

  matches(id: SpiffeId): boolean {
    for (const matcher of this.#matchers) {
      if (!answerOf(matcher, id)) return false
    }
    return true
  }

  override capture(id: SpiffeId): Captures | null {
    const all = new Map<string, string>()
    for (const matcher of this.#matchers) {
      const captures = matcher.capture(id)
      if (captures === null) return null
      for (const [name, value] of captures) {
        if (!all.has(name)) all.set(name, value)
      }
    }
    return all
  }

  override get trustDomains(): ReadonlySet<string> | null {
    const known = this.#matchers.flatMap(({ trustDomains }) => trustDomains ?? [])
    const [first, ...others] = known
    if (first === undefined) return null
    return new Set([...first].filter((name) => others.every((each) => each.has(name))))
  }

  override get isFixed(): boolean {
    return this.#matchers.every(({ isFixed }) => isFixed)
  }

  toString(): string {
    return `allOf(${this.#matchers.join(', ')})`
  }
}

class AnyOf extends SpiffeIdMatcher {
  readonly #matchers: readonly SpiffeIdMatcher[]
  // The same by kind, since the order decides nothing: one set for all IDs, and lists whose members are of one class.
  readonly #exact: ReadonlySet<string>
  readonly #patterns: readonly Pattern[]
  readonly #others: readonly SpiffeIdMatcher[]

  constructor(matchers: readonly SpiffeIdMatcher[]) {
    super()
    this.#matchers = matchers
    const exact = matchers.filter((matcher) => matcher instanceof ExactMatcher)
    this.#exact = new Set(exact.flatMap(({ texts }) => texts))
    this.#patterns = matchers.filter((matcher) => matcher instanceof Pattern)
    this.#others = matchers.filter(
      (matcher) => !(matcher instanceof ExactMatcher) && !(matcher instanceof Pattern),
    )
  }

  matches(id: SpiffeId): boolean {
    if (this.#exact.size > 0 && this.#exact.has(id.toString())) return true
    for (const pattern of this.#patterns) {
      if (pattern.matches(id)) return true
    }
    for (const matcher of this.#others) {
      if (answerOf(matcher, id)) return true
    }
    return false
  }

  override capture(id: SpiffeId): Captures | null {
    for (const matcher of this.#matchers) {
      const captures = matcher.capture(id)
      if (captures !== null) return captures
    }
    return null
  }

  override get trustDomains(): ReadonlySet<string> | null {
    const all = new Set<string>()
    for (const { trustDomains } of this.#matchers) {
      if (trustDomains === null) return null
      for (const name of trustDomains) all.add(name)
    }
    return all
  }

  override get isFixed(): boolean {
    return this.#matchers.every(({ isFixed }) => isFixed)
  }

  toString(): string {
    return `anyOf(${this.#matchers.join(', ')})`
  }
}

class Not extends SpiffeIdMatcher {
  readonly #matcher: SpiffeIdMatcher

  constructor(matcher: SpiffeIdMatcher) {
    super()
    this.#matcher = matcher
  }

  matches(id: SpiffeId): boolean {
    return !answerOf(this.#matcher, id)
  }

  override get isFixed(): boolean {
    return this.#matcher.isFixed
  }

  toString(): string {
    return `not(${this.#matcher.toString()})`
  }
}
