import { withoutStack } from '@fastify-spiffe/plugin-kit'
import { CodedError } from '@fastify-spiffe/spiffe/internal'
import { describeUncovered, type UncoveredRoute } from './uncovered-route.ts'

/** The closed list of what {@link AuthzError} can say. */
export type AuthzErrorCode =
  | 'unknown-option'
  | 'invalid-option'
  | 'already-registered'
  | 'peer-missing'
  | 'uncovered-routes'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'too-many-requests'

/** What a caller may learn of a refusal: nothing but its kind. */
const REFUSALS = {
  401: ['unauthenticated', 'Unauthorized'],
  403: ['forbidden', 'Forbidden'],
  404: ['not-found', 'Not Found'],
  429: ['too-many-requests', 'Too Many Requests'],
} as const

/** The HTTP status of a refused request. */
export type RefusalStatus = keyof typeof REFUSALS

/**
 * What the plugin throws beside the {@link PolicyError} of rules, policies, tenants, engines and attributes. `unknown-option`,
 * `invalid-option`, `already-registered`, `peer-missing` and `uncovered-routes` fail the boot. The last four refuse a request:
 * they carry a `statusCode` and a fixed message, and reach the error handler of the application.
 */
export class AuthzError extends CodedError<AuthzErrorCode> {
  override readonly name = 'AuthzError'
  /** The HTTP status of a refusal; absent from errors of configuration. */
  declare readonly statusCode?: RefusalStatus
  /** Every route without a rule, in an `uncovered-routes`. */
  declare readonly routes?: readonly UncoveredRoute[]

  /** The error of a refused request. It says no rule, no identity and no reason: those are in the log. */
  static refusal(statusCode: RefusalStatus): AuthzError {
    const [code, message] = REFUSALS[statusCode]
    return withoutStack(Object.assign(new AuthzError(code, message), { statusCode }))
  }

  /** The error of a boot with routes that no caller could reach. */
  static uncovered(routes: readonly UncoveredRoute[]): AuthzError {
    return Object.assign(new AuthzError('uncovered-routes', describeUncovered(routes)), {
      routes: Object.freeze(routes.map((route) => Object.freeze(route))),
    })
  }
}
