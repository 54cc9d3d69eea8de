import type { Server } from 'node:https'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, peer, spiffeServer, svid, type X509MaterialSource } from 'fastify-spiffe'
import type { JwtBundleHolder } from 'fastify-spiffe/jwt-svid'
import { AUDIENCE, BILLING, GATEWAY } from './names.ts'

/**
 * The service. The gateway presents its own certificate, and passes on the tokens of its clients: those say who calls. The connection is
 * open to whoever has a certificate or a token, and the rules decide.
 */
export async function createOrders(
  source: X509MaterialSource & JwtBundleHolder,
): Promise<FastifyInstance<Server>> {
  const app = Fastify(spiffeServer(source))
  await app.register(svid, { source })
  await app.register(peer, { jwt: { audience: AUDIENCE, source, decides: 'jwt-svid' } })
  await app.register(authz)

  app.get(
    '/orders',
    { config: { spiffe: { allow: [BILLING] } } },
    ({ spiffeId, peer: caller }) => ({
      orders: 42,
      caller: spiffeId,
      proof: caller?.proof,
    }),
  )
  // Whoever has seen a token can use it until it expires: not for this.
  const certified = { allow: [BILLING, GATEWAY], proof: 'x509-svid' } as const
  app.get('/refunds', { config: { spiffe: certified } }, () => 'refunded')
  return app
}
