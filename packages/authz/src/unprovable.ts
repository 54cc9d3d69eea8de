import type { FastifyInstance } from 'fastify'

/** So many are named in the log. */
const MAX_NAMED = 20
const MESSAGE =
  'rules name trust domains whose bundle the service does not have: their workloads cannot be proven. ' +
  'Federate with them, or correct the rules'

/** Logs, once for each set of rules, the trust domains whose workloads cannot be proven. */
export function warnOfUnprovable(
  fastify: FastifyInstance,
  named: ReadonlySet<string>,
  policyVersion: string,
): void {
  // A `peer` of another kind need not know.
  if (!fastify.hasDecorator('provableTrustDomains')) return
  const provable = fastify.provableTrustDomains()
  if (provable === null) return
  const trustDomains = [...named].filter((name) => !provable.has(name))
  if (trustDomains.length === 0) return
  const fields = { code: 'trust-domain-without-bundle', policyVersion }
  fastify.log.warn({ ...fields, trustDomains: trustDomains.slice(0, MAX_NAMED) }, MESSAGE)
}
