import type { CompiledRule, RuleTable } from '@fastify-spiffe/policy/internal'
import { identityOf } from '@fastify-spiffe/tls'
import type { FastifyInstance } from 'fastify'

const MESSAGE =
  'routes with a public rule, on a server that demands certificates: who has none does not reach them. Make the server with ' +
  "spiffeServer(source, { clientCertificate: 'optional' }), or let the rules name the callers"

/** Warns of public routes that the public does not reach, once of each. */
export class PublicRoutes {
  readonly #fastify: FastifyInstance
  readonly #rules: RuleTable
  readonly #known = new Set<string>()

  constructor(fastify: FastifyInstance, rules: RuleTable) {
    this.#fastify = fastify
    this.#rules = rules
  }

  /** Looks at the rules in force. */
  check(): void {
    if (identityOf(this.#fastify.server)?.clientCertificate !== 'required') return
    const routes = [...this.#list()].filter((route) => !this.#known.has(route))
    if (routes.length === 0) return
    for (const route of routes) this.#known.add(route)
    this.#fastify.log.warn({ code: 'public-behind-certificates', routes }, MESSAGE)
  }

  *#list(): Iterable<string> {
    const { active } = this.#rules
    for (const { method, url, rule } of this.#rules.list(active)) {
      // HEAD goes with GET.
      if (method !== 'HEAD' && isPublic(rule)) yield `${method} ${url}`
    }
    if (isPublic(active.notFound)) yield 'notFound'
  }
}

function isPublic(rule: CompiledRule | null): boolean {
  return rule?.description.grant === 'public'
}
