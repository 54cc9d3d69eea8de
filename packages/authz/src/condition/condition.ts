import type { Attributes, AttributeName } from './attributes.ts'
import type { CheckContext } from './deadline.ts'

/** What a route asks beyond the caller's identity: a check, and the list of what the check reads. */
export interface Condition<Name extends AttributeName = AttributeName> {
  /**
   * The attributes that the check receives. It receives no others, since a decision is remembered under the values of
   * these: a check that looked elsewhere would answer one request with the decision of another.
   */
  readonly reads: readonly Name[]
  /**
   * Lets the request in by `true`, and by nothing else. `false`, any other value, an error and a missed deadline refuse
   * it. It runs before the body is read and before the schema of the route is applied: parameters are strings.
   */
  readonly check: (
    attributes: Pick<Attributes, Name>,
    context: CheckContext,
  ) => boolean | Promise<boolean>
  /**
   * Whether decisions are remembered. Default `true`. Say `false` where the check costs less than a look-up (about a
   * microsecond), or where each request needs a fresh answer.
   */
  readonly cache?: boolean
  /** How long an asynchronous check may take, in milliseconds. Default: the plugin's `timeoutMs`. */
  readonly timeoutMs?: number
}

/** Types the parameter of `check` by what `reads` declares, so that reading anything else does not compile. */
export function condition<const Name extends AttributeName>(it: Condition<Name>): Condition {
  // Whoever calls the check hands it all that `reads` declares.
  return it
}
