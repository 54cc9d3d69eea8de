import type { FastifyInstance } from 'fastify'

export default async function orders(fastify: FastifyInstance): Promise<void> {
  const spiffe = { allow: ['spiffe://example.org/acme/web'] }
  fastify.get('/', { config: { spiffe } }, (request) => `hello ${String(request.spiffeId)}`)
}
