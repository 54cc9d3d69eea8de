import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** The closed list of what {@link PolicyError} can say. */
export type PolicyErrorCode =
  | 'unknown-option'
  | 'invalid-option'
  | 'invalid-rule'
  | 'uncovered-routes'
  | 'invalid-policy'
  | 'policy-test-failed'
  | 'invalid-tenant'
  | 'ambiguous-route'
  | 'undeclared-attribute'
  | 'engine-unreachable'
  | 'invalid-answer'
  | 'keys-unavailable'

/** A route that a policy document leaves without a rule. */
export interface RouteWithoutRule {
  /** Its methods, separated by commas. */
  readonly method: string
  readonly url: string
  readonly reason: 'no-rule'
}

/**
 * Everything this package throws. `unknown-option`, `invalid-option`, `invalid-rule`, `uncovered-routes`, `invalid-policy` and
 * `policy-test-failed` fail the boot or a reload, `invalid-tenant` a call of `invalidate`, `ambiguous-route` and `invalid-rule` one of `explain`,
 * `undeclared-attribute` a check, `engine-unreachable` and `invalid-answer` an engine's decision, and `keys-unavailable` the
 * claims of a token.
 */
export class PolicyError extends CodedError<PolicyErrorCode> {
  override readonly name = 'PolicyError'
  /** Every route without a rule, in an `uncovered-routes`. */
  declare readonly routes?: readonly RouteWithoutRule[]

  /** The error of a policy document under which no caller could reach some of the routes. */
  static uncovered(routes: readonly Omit<RouteWithoutRule, 'reason'>[]): PolicyError {
    const list = routes.map(({ method, url }) => `\n  ${method} ${url}`).join('')
    const cure =
      'give each its own, or one to its path or its prefix in the document (`routes`, `prefixes`)'
    return Object.assign(
      new PolicyError('uncovered-routes', `routes without a rule: ${cure}:${list}`),
      {
        routes: Object.freeze(
          routes.map((route) => Object.freeze<RouteWithoutRule>({ ...route, reason: 'no-rule' })),
        ),
      },
    )
  }
}
