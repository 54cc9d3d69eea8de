import { SpiffeError } from '../errors.ts'
import { inspectAsText } from '../id/inspect.ts'
import type { SpiffeId } from '../id/spiffe-id.ts'

/** The path segments that a pattern names, by name. */
export type Captures = ReadonlyMap<string, string>

/**
 * A set of SPIFFE IDs. `matchId`, `matchOneOf`, `matchMemberOf`, `matchPattern`, `matchAny`, `allOf`, `anyOf` and `not`
 * make the usual ones; for another set, extend this class.
 *
 * A matcher decides on an identity alone: verify the identity first.
 */
export abstract class SpiffeIdMatcher {
  static {
    inspectAsText(this)
  }

  /** Whether `id` is in the set. Synchronous, and free of side effects. */
  abstract matches(id: SpiffeId): boolean

  /**
   * What the patterns of this matcher capture; an empty map without captures; `null` when `id` does
   * not match.
   * @throws {@link SpiffeError} `invalid-pattern` when `matches` of a subclass answers no boolean
   */
  capture(id: SpiffeId): Captures | null {
    return answerOf(this, id) ? new Map() : null
  }

  /**
   * The names of the trust domains whose workloads it can match; `null` when they are not known, which is the default
   * for a class of your own. An empty set matches nobody: a workload's SPIFFE ID has a path (X509-SVID §2).
   */
  get trustDomains(): ReadonlySet<string> | null {
    return null
  }

  /**
   * Whether the set never changes, so that an answer may be remembered: so with all of this package, unless one of
   * another class is inside. `false` by default for a class of your own, which is asked each time.
   */
  get isFixed(): boolean {
    return false
  }

  /** The source text that builds this matcher. */
  abstract toString(): string

  toJSON(): string {
    return this.toString()
  }
}

/**
 * Asks a matcher that may be a class of the caller's own. An answer that is not a boolean, such as a promise, throws:
 * it must count neither as yes nor, inside a `not`, as no.
 * @throws {@link SpiffeError} `invalid-pattern`
 */
export function answerOf(matcher: SpiffeIdMatcher, id: SpiffeId): boolean {
  const answer: unknown = matcher.matches(id)
  if (typeof answer === 'boolean') return answer
  throw new SpiffeError('invalid-pattern', `${matcher.toString()} must answer true or false`)
}
