import { SpiffeError } from '../errors.ts'
import { inspectAsText } from '../id/inspect.ts'
import type { SpiffeId } from '../id/spiffe-id.ts'

/** The path segments that a pattern names, by name. */
export type Captures = ReadonlyMap<string, string>

/**
 * A set of SPIFFE IDs. The functions of this folder build all that most services need; for another
 * set, extend this class.
 *
 * A matcher decides on an identity alone: make sure that it has been verified before you ask.
 */
export abstract class SpiffeIdMatcher {
  static {
    inspectAsText(this)
  }

  /** Whether `id` is in the set. Synchronous, and free of side effects. */
  abstract matches(id: SpiffeId): boolean

  /** What the patterns inside captured, an empty map when there are none; `null` when `id` does not match. */
  capture(id: SpiffeId): Captures | null {
    return answerOf(this, id) ? new Map() : null
  }

  /**
   * By name, the trust domains of all workloads that it can match; `null` where that is not known, as for a class of your
   * own. Without any it matches nobody: a workload's SPIFFE ID has a path (X509-SVID §2).
   */
  get trustDomains(): ReadonlySet<string> | null {
    return null
  }

  /** The source text that builds this matcher. */
  abstract toString(): string

  toJSON(): string {
    return this.toString()
  }
}

/**
 * Asks a matcher that may be a caller's own. What is no boolean, such as a promise, counts neither as
 * yes nor, inside a `not`, as no.
 * @throws {@link SpiffeError} `invalid-pattern`
 */
export function answerOf(matcher: SpiffeIdMatcher, id: SpiffeId): boolean {
  const answer: unknown = matcher.matches(id)
  if (typeof answer === 'boolean') return answer
  throw new SpiffeError('invalid-pattern', `${matcher.toString()} must answer true or false`)
}
