import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Authority } from '@fastify-spiffe/authority'
import { Bundle, BundleSet, stringifyBundleMap, withFallbackBundles } from '@fastify-spiffe/spiffe'
import { TufBundleSource } from '@fastify-spiffe/tuf-source'
import { TufRepository } from '@fastify-spiffe/tuf-source/repository'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import fastifySpiffe, { spiffeServer, SvidAgent } from 'fastify-spiffe'

const ORDERS = 'spiffe://shop.test/orders'
const WEB = 'spiffe://partner.test/web'

let folder: string
let repository: TufRepository
let server: Server
let shop: Authority
let partner: Authority
let tuf: TufBundleSource
let app: FastifyInstance

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tuf-bundles-'))
  shop = await Authority.create({ trustDomain: 'shop.test' })
  partner = await Authority.create({ trustDomain: 'partner.test' })
  partner.federate(shop)
  const www = join(folder, 'www')
  repository = await TufRepository.open({
    directory: www,
    keys: join(folder, 'keys'),
    rootKeys: join(folder, 'root-keys'),
  })
  const { file, sha256 } = await repository.init()
  await publish(bundleOf(partner), policy(WEB))
  server = createServer(({ url = '' }, response) => {
    readFile(join(www, url)).then(
      (content) => response.end(content),
      () => response.writeHead(404).end(),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  tuf = await TufBundleSource.open({
    metadataUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/metadata`,
    root: { file, sha256 },
    directory: join(folder, 'state'),
    bundles: [{ path: 'bundles.json', trustDomains: ['partner.test'] }],
    files: ['policy.json'],
  })
  const source = withFallbackBundles(await shop.source(ORDERS), tuf)
  const rules = tuf.file('policy.json')?.location ?? ''
  app = Fastify(spiffeServer(source))
  await app.register(fastifySpiffe, { source, policy: { file: rules, watch: true } })
  app.get('/orders', (request) => `hello ${String(request.spiffeId)}`)
  await app.listen({ host: '127.0.0.1', port: 0 })
})

afterEach(async () => {
  await app.close()
  await tuf.close()
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  await shop.close()
  await partner.close()
  await rm(folder, { recursive: true, force: true })
})

function bundleOf({ trustDomain, bundle: x509, jwt }: Authority): Bundle {
  return Bundle.of(trustDomain, { x509, jwt: jwt.bundle })
}

function policy(caller: string): string {
  return JSON.stringify({ routes: { 'GET /orders': { allow: [caller] } } })
}

async function publish(bundle: Bundle | null, rules: string): Promise<void> {
  const map = stringifyBundleMap(BundleSet.of(...(bundle === null ? [] : [bundle])))
  const add = new Map([
    ['bundles.json', Buffer.from(map)],
    ['policy.json', Buffer.from(rules)],
  ])
  await repository.publish({ add })
}

/** What the partner's service gets: the status and the body, or the code of an error. */
async function call(): Promise<string> {
  const { port } = app.server.address() as AddressInfo
  const agent = new SvidAgent({ source: await partner.source(WEB), server: ORDERS })
  try {
    const sent = https.get({ host: '127.0.0.1', port, path: '/orders', agent })
    const [response] = await once(sent, 'response')
    return `${response.statusCode} ${response.statusCode === 200 ? await text(response) : ''}`
  } catch {
    return 'no connection'
  } finally {
    agent.destroy()
  }
}

test('a caller is known by the bundle, and let in by the policy, that the repository has', async () => {
  expect(await call()).toBe(`200 hello ${WEB}`)
  await partner.addAuthority()
  await publish(bundleOf(partner), policy(WEB))
  await tuf.refresh()
  expect(await call()).toBe(`200 hello ${WEB}`)
})

test('a caller whose bundle the repository has no more gets no connection', async () => {
  await publish(null, policy(WEB))
  await tuf.refresh()
  expect(await call()).toBe('no connection')
})
