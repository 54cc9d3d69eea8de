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
   * What becomes of a request, real or thought up, and why: everything that its rule asks for, and what came of it.
   * Conditions and engines are asked for real, and nothing is taken from the cache or put there. What it tells is for
   * operators, and not for callers.
   *
   * A request that is thought up names its route by method and pattern. Where several routes have these, and constraints
   * tell them apart, only a real request can be explained.
   *
   * @throws {PolicyError} `ambiguous-route`
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
    /** Whose workload calls; `null` for nobody's. Present when the plugin has the option `tenant`. */
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
