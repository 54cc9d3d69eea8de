import { peer } from '@fastify-spiffe/peer'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import Fastify from 'fastify'
import type { Jwt } from './jwt.ts'
import { audience, listenOn, serve } from './http-part.ts'

/** Opens the part `jwt-http`: Fastify on plain HTTP, where a JWT-SVID is the only proof. */
export async function openJwtPart(source: X509MaterialSource, jwt: Jwt): Promise<number> {
  // A token is the only proof: nobody is known before.
  const tokens = await jwt.held(10_000)
  const app = Fastify()
  const options = { audience: audience(), source: tokens, allowPlaintext: true }
  await app.register(peer, { jwt: options })
  await serve(app, source)
  return listenOn(app)
}
