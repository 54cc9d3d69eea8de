import type { CheckContext } from '../deadline.ts'
import type { Attributes, AttributeName } from './attributes.ts'

/** What a route asks beyond the caller's identity: a check, and the list of what the check reads. */
export interface Condition<
  Name extends AttributeName = AttributeName,
> extends ConditionOptions<Name> {
  /**
   * Lets the request in by `true`, and by nothing else. `false`, any other value, an error and a missed deadline refuse
   * it. It runs before the body is read and before the schema of the route is applied: parameters are strings.
   */
  readonly check: Check<Name>
}

/** What a condition says of its check. */
export interface ConditionOptions<Name extends AttributeName = AttributeName> {
  /**
   * The attributes that the check receives. It receives no others, because a decision is cached by
   * these values: a check that looked elsewhere would answer one request with the decision of
   * another.
   */
  readonly reads: readonly Name[]
  /**
   * How old a cached decision may be, in milliseconds. 0 asks the check each time: use it if the
   * check costs less than a lookup (about a microsecond), or if each request needs a fresh answer.
   * Default: the TTL of the plugin's cache, which bounds every value.
   */
  readonly maxAgeMs?: number
  /** How long an asynchronous check may take, in milliseconds. Default: the plugin's `timeoutMs`. */
  readonly timeoutMs?: number
}

/** A predicate over the declared attributes. */
export type Check<Name extends AttributeName = AttributeName> = (
  attributes: Pick<Attributes, Name>,
  context: CheckContext,
) => boolean | Promise<boolean>

/**
 * A condition, in which the parameter of `check` has the type of what `reads` declares: reading anything else does not
 * compile.
 */
export function where<const Name extends AttributeName>(
  check: Check<Name>,
  options: ConditionOptions<Name>,
): Condition {
  // Whoever calls the check hands it all that `reads` declares.
  return { ...options, check }
}
