import { CodedError } from '@fastify-spiffe/spiffe/internal'

/** All codes of {@link GrpcError}. */
export type GrpcErrorCode =
  /** An option that does not exist. */
  | 'unknown-option'
  /** An option has a value that is not allowed. */
  | 'invalid-option'
  /** gRPC does not take a service, or one of its methods has been added already. */
  | 'invalid-service'
  /** Rules name a method that their service does not have. */
  | 'unknown-method'
  /** Methods without a rule keep the server from listening; `methods` lists them. */
  | 'uncovered-methods'
  /** Services are added before the server listens, and it listens once. */
  | 'wrong-state'
  /** The address cannot be bound; `cause` is the error of Node. */
  | 'listen-failed'

/**
 * What this package throws, beside the `TlsError` of options of TLS and the `PolicyError` of rules. Distinguish errors by `code`.
 */
export class GrpcError extends CodedError<GrpcErrorCode> {
  override readonly name = 'GrpcError'
  /** The paths of all methods without a rule, in an `uncovered-methods`. */
  declare readonly methods?: readonly string[]

  /** The error of a start with methods that no caller could reach. */
  static uncovered(methods: readonly string[]): GrpcError {
    const list = methods.map((path) => `\n  ${path}`).join('')
    const message =
      'methods without a rule. Give each its own, or one to its service (`addService(…, …, { rule, methods })`), or one to ' +
      `its path or its service in the policy document (\`routes\`, \`prefixes\`):${list}`
    const error = new GrpcError('uncovered-methods', message)
    return Object.assign(error, { methods: Object.freeze([...methods]) })
  }
}
