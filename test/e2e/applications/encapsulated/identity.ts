import type { FastifyInstance } from 'fastify'
import { fastifySpiffe, type X509MaterialSource } from 'fastify-spiffe'

/** Loaded by `@fastify/autoload`, and not wrapped with `fastify-plugin`: it stands in a child of its own. */
export default async function identity(
  fastify: FastifyInstance,
  { source }: { source: X509MaterialSource },
): Promise<void> {
  await fastify.register(fastifySpiffe, { source })
}
