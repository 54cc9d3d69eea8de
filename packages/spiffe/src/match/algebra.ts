import { SpiffeError } from '../errors.ts'
import { describeValue } from '../describe.ts'
import type { SpiffeId } from '../id/spiffe-id.ts'
import { SpiffeIdMatcher, answerOf } from './matcher.ts'
import type { Captures } from './matcher.ts'

/**
 * Matches what every one of `matchers` matches. It captures what they all capture; of two captures
 * with the same name, the first counts. None at all is refused, since it would match everything.
 * @throws {@link SpiffeError} `invalid-pattern`
 */
export function allOf(...matchers: readonly SpiffeIdMatcher[]): SpiffeIdMatcher {
  if (matchers.length === 0) {
    throw new SpiffeError('invalid-pattern', 'allOf() needs a matcher: without any, it matches all')
  }
  return new AllOf(checked(matchers))
}

/**
 * Matches what at least one of `matchers` matches; without any, nothing. It captures what the first
 * of them that matches captures.
 * @throws {@link SpiffeError} `invalid-pattern`
 */
export function anyOf(...matchers: readonly SpiffeIdMatcher[]): SpiffeIdMatcher {
  return new AnyOf(checked(matchers))
}

/**
 * Matches what `matcher` does not match, **the IDs of all other trust domains included**, and
 * captures nothing. Usually it stands inside an {@link allOf}.
 * @throws {@link SpiffeError} `invalid-pattern`
 */
export function not(matcher: SpiffeIdMatcher): SpiffeIdMatcher {
  return new Not(checked([matcher]))
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

  toString(): string {
    return `allOf(${this.#matchers.join(', ')})`
  }
}

class AnyOf extends SpiffeIdMatcher {
  readonly #matchers: readonly SpiffeIdMatcher[]

  constructor(matchers: readonly SpiffeIdMatcher[]) {
    super()
    this.#matchers = matchers
  }

  matches(id: SpiffeId): boolean {
    for (const matcher of this.#matchers) {
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

  toString(): string {
    return `anyOf(${this.#matchers.join(', ')})`
  }
}

class Not extends SpiffeIdMatcher {
  readonly #matcher: SpiffeIdMatcher

  constructor([matcher]: readonly [SpiffeIdMatcher]) {
    super()
    this.#matcher = matcher
  }

  matches(id: SpiffeId): boolean {
    return !answerOf(this.#matcher, id)
  }

  toString(): string {
    return `not(${this.#matcher.toString()})`
  }
}

function checked<const T extends readonly SpiffeIdMatcher[]>(matchers: T): T {
  for (const matcher of matchers) {
    if (matcher instanceof SpiffeIdMatcher) continue
    const message = `a matcher must be a SpiffeIdMatcher, not ${describeValue(matcher)}`
    throw new SpiffeError('invalid-pattern', message)
  }
  return matchers
}
