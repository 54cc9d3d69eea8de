import { bundleEndpoint } from '@fastify-spiffe/bundle-endpoint'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import Fastify from 'fastify'

/** Opens the part `bundle`: the bundle endpoint of the own trust domain, profile `https_spiffe`. */
export async function openBundlePart(source: X509MaterialSource): Promise<number> {
  const options = { http2: true, allowHTTP1: true, clientCertificate: 'optional' } as const
  const app = Fastify(spiffeServer(source, options))
  await app.register(svid, { source })
  await app.register(bundleEndpoint, { path: '/' })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server')
  return address.port
}
