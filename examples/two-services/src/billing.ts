import type { Server } from 'node:https'
import Fastify, { type FastifyInstance } from 'fastify'
import fastifySpiffe, { spiffeServer, type X509MaterialSource } from 'fastify-spiffe'

/** Billing, of the tenant globex. Its invoices are the business of globex alone. */
export async function createBilling(source: X509MaterialSource): Promise<FastifyInstance<Server>> {
  const app = Fastify(spiffeServer(source))
  await app.register(fastifySpiffe, { source, tenant: '/{tenant}/{workload}' })

  app.get<{ Params: { id: string } }>(
    '/invoices/:id',
    { config: { spiffe: { allow: ['spiffe://example.org/globex/*'] } } },
    (request) => ({ invoice: request.params.id, total: 42 }),
  )
  return app
}
