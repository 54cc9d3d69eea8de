import { identityOf } from '@fastify-spiffe/tls'
import type { FastifyInstance } from 'fastify'

const MESSAGE =
  'routes with a public rule, on a server that requires certificates: callers without one do not reach them. Make the server with ' +
  "spiffeServer(source, { clientCertificate: 'optional' }), or let the rules name the callers"

/** Warns of public routes that the public does not reach, once of each. */
export class PublicRoutes {
  readonly #fastify: FastifyInstance
  readonly #known = new Set<string>()

  constructor(fastify: FastifyInstance) {
    this.#fastify = fastify
  }

  /** @param all - method and pattern of each route with a public rule */
  check(all: readonly string[]): void {
    if (identityOf(this.#fastify.server)?.clientCertificate !== 'required') return
    const routes = all.filter((route) => !this.#known.has(route))
    if (routes.length === 0) return
    for (const route of routes) this.#known.add(route)
    this.#fastify.log.warn({ code: 'public-behind-certificates', routes }, MESSAGE)
  }
}
