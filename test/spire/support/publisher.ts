import { bundleEndpoint, type OwnBundleSource } from '@fastify-spiffe/bundle-endpoint'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import type { JwtBundleSource, X509MaterialSource } from '@fastify-spiffe/spiffe'
import Fastify from 'fastify'
import { spiffeServer } from 'fastify-spiffe'

/** A bundle endpoint of ours. */
export interface Publisher extends AsyncDisposable {
  readonly url: string
}

interface Listening {
  listen(options: object): Promise<string>
  close(): Promise<void>
}

async function open(app: Listening, host: string): Promise<Publisher> {
  const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
  return { url: `https://${host}:${port}/`, [Symbol.asyncDispose]: () => app.close() }
}

/** Publishes the bundle of a source, on the SVID of that source. */
export async function publishBySpiffe(
  source: X509MaterialSource,
  jwtSource?: JwtBundleSource,
): Promise<Publisher> {
  const app = Fastify(spiffeServer(source, { clientCertificate: 'optional' }))
  const jwt = jwtSource === undefined ? {} : { jwtSource }
  await app.register(bundleEndpoint, { path: '/', refreshHintMs: 60_000, ...jwt })
  return await open(app, '127.0.0.1')
}

/** A CA as of the Web PKI: it names no trust domain. */
export function mintWebCa(): Promise<MintedCa> {
  return mintRootCa('web.test', { uris: [] })
}

/** Publishes the bundle of a source, with a certificate for `localhost`. */
export async function publishByWeb(source: OwnBundleSource, ca: MintedCa): Promise<Publisher> {
  const leaf = await ca.mint('spiffe://web.test/x', { uris: [], dnsNames: ['localhost'] })
  const https = { cert: leaf.certificatesPem, key: leaf.privateKeyPem }
  const app = Fastify({ https })
  await app.register(bundleEndpoint, { profile: 'https_web', source, path: '/' })
  return await open(app, 'localhost')
}
