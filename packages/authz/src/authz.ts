import type {
  Explanation,
  ExplainRequest,
  PolicyControls,
  RouteRule,
  Tenant,
} from '@fastify-spiffe/policy'
import type { FastifyRequest } from 'fastify'

/** `fastify.authz`. */
export interface Authz extends Omit<PolicyControls<FastifyRequest>, 'explain' | 'explainCall'> {
  /**
   * Explains the decision for a request, or for a description of one: everything that its rule
   * requires, and the outcome of each. Conditions and engines are called, and the cache is neither
   * read nor filled. An explanation is for operators, not for callers.
   *
   * A description names its route by method and pattern. If several routes have these, because only
   * constraints separate them, only a real request can be explained.
   *
   * @throws {PolicyError} `ambiguous-route`; `invalid-rule` for what no call can be, such as one with a chain where calls carry none
   * @throws {SpiffeError} `invalid-spiffe-id`
   */
  explain(about: FastifyRequest | ExplainRequest): Promise<Explanation>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route: a rule, or the name of one in the policy document. */
    spiffe?: RouteRule | string
  }

  interface FastifyInstance {
    readonly authz: Authz
  }

  interface FastifyRequest {
    /**
     * The tenant of the caller; `null` for a caller without one. Present if the plugin has the
     * option `tenant`.
     */
    readonly tenant: Tenant | null
  }
}

/** Makes `fastify.authz` of the controls of the policy. */
export function authzOf(controls: PolicyControls<FastifyRequest>): Authz {
  const explain: Authz['explain'] = (about) =>
    isRequest(about) ? controls.explainCall(about) : controls.explain(about)
  // With the controls as its prototype, since the version of the policy is a getter.
  const authz: Authz = Object.create(controls, { explain: { value: explain, enumerable: true } })
  return Object.freeze(authz)
}

/** What is thought up has no message of Node in it. */
function isRequest(about: FastifyRequest | ExplainRequest): about is FastifyRequest {
  return 'raw' in about
}
