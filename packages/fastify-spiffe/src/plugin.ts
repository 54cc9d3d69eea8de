import { authz, type AuthzOptions } from '@fastify-spiffe/authz'
import { peer, type PeerOptions } from '@fastify-spiffe/peer'
import { svid, type SvidOptions } from '@fastify-spiffe/svid'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'

/** The options of all three plugins side by side; no two have one of the same name and another meaning. */
export interface FastifySpiffeOptions extends SvidOptions, PeerOptions, AuthzOptions {}

async function plugin(fastify: FastifyInstance, options: FastifySpiffeOptions): Promise<void> {
  // What the first two do not know goes to the third, which refuses what it does not know either.
  const { source, closeSource, logSpiffeId, jwt, ...rules } = options
  const { clock } = rules
  await fastify.register(svid, { source, ...(closeSource !== undefined && { closeSource }) })
  await fastify.register(peer, {
    ...(logSpiffeId !== undefined && { logSpiffeId }),
    ...(jwt !== undefined && { jwt }),
    ...(clock !== undefined && { clock }),
  })
  await fastify.register(authz, rules)
}

/**
 * The three plugins as one: the SVID that the server presents (`svid`), the proven caller of every
 * request (`peer`), and who may call which route (`authz`). Register it with `await`, before the routes,
 * on an application made with `Fastify(spiffeServer(source))`.
 *
 * @throws what the three throw, when the application boots: `SvidPluginError`, `PeerError`, `AuthzError`
 */
export const fastifySpiffe: FastifyPluginAsync<FastifySpiffeOptions> = fastifyPlugin(plugin, {
  name: 'fastify-spiffe',
  fastify: '5.x',
})
