import type { Server } from 'node:https'
import Fastify, { type FastifyInstance } from 'fastify'
import fastifySpiffe, { spiffeServer, type X509MaterialSource } from 'fastify-spiffe'

/** Orders, of the tenant acme. Its own tenant may read them, and the billing of globex. */
export async function createOrders(source: X509MaterialSource): Promise<FastifyInstance<Server>> {
  const app = Fastify(spiffeServer(source))
  await app.register(fastifySpiffe, { source, tenant: '/{tenant}/{workload}' })

  const readers = ['spiffe://example.org/acme/*', 'spiffe://example.org/globex/billing']
  app.get<{ Params: { id: string } }>(
    '/orders/:id',
    { config: { spiffe: { allow: readers } } },
    (request) => ({ order: request.params.id, total: 42, readBy: request.tenant?.name }),
  )
  return app
}
