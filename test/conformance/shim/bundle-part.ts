import { bundleEndpoint } from '@fastify-spiffe/bundle-endpoint'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { JwtSource } from '@fastify-spiffe/workload-api'
import Fastify from 'fastify'

/** How long the start waits for JWT bundles. */
const JWT_BUNDLES_MS = 2000

/** Opens the part `bundle`: the bundle endpoint of the own trust domain, profile `https_spiffe`. */
export async function openBundlePart(source: X509MaterialSource): Promise<number> {
  const options = { http2: true, allowHTTP1: true, clientCertificate: 'optional' } as const
  const app = Fastify(spiffeServer(source, options))
  const jwtSource = await openJwtSource()
  await app.register(svid, { source })
  await app.register(bundleEndpoint, { path: '/', ...(jwtSource !== undefined && { jwtSource }) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server')
  return address.port
}

/** `undefined` where the Workload API has no JWT bundles: a case may be about X.509 alone. */
async function openJwtSource(): Promise<JwtSource | undefined> {
  try {
    return await JwtSource.open({ timeoutMs: JWT_BUNDLES_MS, onProblem: say })
  } catch (error) {
    say(error)
    return undefined
  }
}

function say(error: unknown): void {
  process.stderr.write(`bundle: ${String(error)}\n`)
}
