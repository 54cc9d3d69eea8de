// The endpoints of many trust domains: one server for each profile, which answers by the path of the request.
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import https, { type Server } from 'node:https'
import { mintRootCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { Bundle, TrustDomain, X509Bundle } from '@fastify-spiffe/spiffe'

/** What the process says when it listens. */
export interface EndpointsReady {
  readonly webPort: number
  readonly webCa: string
  readonly spiffePort: number
  readonly endpointSpiffeId: string
  /** The bundle that verifies the endpoint with the profile `https_spiffe`. */
  readonly hubBundle: string
}

/** Authorities are taken from a pool: to mint some for each trust domain would take longer than the rest. */
const POOL = 12
/** As many as a SPIRE server has while it rotates. */
const PER_BUNDLE = 3

const pool = TrustDomain.parse('pool.test')
const authorities = await Promise.all(Array.from({ length: POOL }, () => mintRootCa(pool)))
const jwks = Array.from({ length: POOL }, (_each, index) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }),
  kid: `key-${index}`,
  use: 'jwt-svid',
}))
let version = 0

/** The bundle of a version: with each of them one authority comes, and one goes. */
function bundleText(): string {
  const places = Array.from({ length: PER_BUNDLE }, (_each, index) => (version + index) % POOL)
  const x509 = X509Bundle.of(
    pool,
    places.flatMap((place) => authorities[place]?.certificate ?? []),
  )
  const { keys } = JSON.parse(Bundle.of(pool, { x509 }).stringify()) as { keys: object[] }
  keys.push(...places.flatMap((place) => jwks[place] ?? []))
  return JSON.stringify({ keys, spiffe_sequence: version + 1, spiffe_refresh_hint: 300 })
}

let body = bundleText()

function answer({ headers }: IncomingMessage, response: ServerResponse): void {
  const etag = `"${version}"`
  if (headers['if-none-match'] === etag) response.writeHead(304).end()
  else response.writeHead(200, { etag }).end(body)
}

async function serve(material: MintedCertificate): Promise<number> {
  const options = { cert: material.certificatesPem, key: material.privateKeyPem }
  const server: Server = https.createServer(options, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening')
  return address.port
}

const [web, hub] = [await mintRootCa('web.test'), await mintRootCa('hub.test')]
const endpointSpiffeId = 'spiffe://hub.test/bundles'
const shape = { uris: [], dnsNames: ['localhost'] }
const ready: EndpointsReady = {
  webPort: await serve(await web.mint('spiffe://web.test/unused', shape)),
  webCa: web.certificatePem,
  spiffePort: await serve(await hub.mint(endpointSpiffeId)),
  endpointSpiffeId,
  hubBundle: Bundle.of(hub.trustDomain, {
    x509: X509Bundle.of(hub.trustDomain, [hub.certificate]),
  }).stringify(),
}

process.on('message', () => {
  version++
  body = bundleText()
  process.send?.('rotated')
})
process.once('disconnect', () => process.exit(0))
process.send?.(ready)
