import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'
import { fastifySpiffe, type X509MaterialSource } from 'fastify-spiffe'

interface Options {
  readonly source: X509MaterialSource
}

/** Loaded by `@fastify/autoload`, and wrapped: it holds for the whole application. */
const identity: FastifyPluginAsync<Options> = fastifyPlugin(
  async (fastify: FastifyInstance, { source }: Options) => {
    await fastify.register(fastifySpiffe, { source })
  },
)

export default identity
