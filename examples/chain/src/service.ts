import type { Server } from 'node:https'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, peer, spiffeServer, svid, type X509MaterialSource } from 'fastify-spiffe'
import { chain } from 'fastify-spiffe/chain'

/**
 * An application that knows on whose behalf it is called.
 *
 * @param handTo - who receives tokens, and may so act for whoever calls this service
 */
export async function createService(
  source: X509MaterialSource,
  handTo: readonly string[],
): Promise<FastifyInstance<Server>> {
  const app = Fastify(spiffeServer(source))
  await app.register(svid, { source })
  await app.register(peer)
  await app.register(chain, { source, handTo })
  await app.register(authz)
  return app
}
