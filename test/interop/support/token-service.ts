import { peer } from '@fastify-spiffe/peer'
import type { JwtBundleHolder } from '@fastify-spiffe/spiffe/jwt-svid'
import Fastify from 'fastify'
import { callPlain } from '../../support/readme-world.ts'

/** A service of ours whose callers present a JWT-SVID and nothing else, as behind a gateway that ends TLS. */
export interface TokenService extends AsyncDisposable {
  /** Calls it with the token: the SPIFFE ID that a route sees, or the status of the refusal. */
  callWith(token: string): Promise<string>
}

export async function startTokenService(
  source: JwtBundleHolder,
  audience: string,
): Promise<TokenService> {
  const app = Fastify()
  await app.register(peer, { jwt: { audience, source, allowPlaintext: true } })
  app.get('/orders', ({ spiffeId }) => String(spiffeId))
  const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  return {
    async callWith(token) {
      const { status, body } = await callPlain(port, '/orders', {
        authorization: `Bearer ${token}`,
      })
      return status === 200 ? body : String(status)
    },
    [Symbol.asyncDispose]: () => app.close(),
  }
}
