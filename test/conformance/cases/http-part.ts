import { mintRootCa } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import { CountingServer } from '../driver/counting-server.ts'
import {
  http1Client,
  http2Client,
  type HttpAnswer,
  type HttpClient,
} from '../driver/http-client.ts'
import { during, until } from '../driver/timing.ts'
import { expectEqual, expectThat, Failure, type ConformanceCase } from '../suite/case.ts'
import { FOREIGN_ID, PEER_ID } from './peer-case.ts'
import {
  expectNothingSent,
  type PartScene,
  renew,
  servingParts,
  unprovenClients,
} from './part-scene.ts'

/** Both versions of HTTP. */
const versions = [
  { clientOf: http1Client, http2: false, protocol: 'http/1.1' },
  { clientOf: http2Client, http2: true, protocol: 'h2' },
] as const

/** How long a connection may be served whose peer is trusted no more. */
const SERVED_MS = 1000
const PERSISTENCE_MS = 300

/** Headers by which others tell who is calling. */
const forged = {
  'x-forwarded-client-cert': 'By=spiffe://example.org/harness;URI=spiffe://example.org/admin',
  'x-spiffe-id': 'spiffe://example.org/admin',
  'client-cert': ':MIIB:',
  'x-ssl-client-verify': 'SUCCESS',
  'x-client-cert': 'spiffe://example.org/admin',
  forwarded: 'for=spiffe://example.org/admin',
}

function expectCaller({ status, body }: HttpAnswer, spiffeId: string): void {
  expectEqual(status, 200, 'the status')
  const { spiffeId: told, proof, chain } = JSON.parse(body) as Record<string, unknown>
  expectEqual(told, spiffeId, 'the caller')
  expectEqual(proof, 'x509-svid', 'the proof')
  expectEqual(JSON.stringify(chain), '[]', 'the callers before')
}

const isRefused = ({ status }: HttpAnswer): boolean => status === null || status === 401

type ClientOf = (typeof versions)[number]['clientOf']

async function expectProof(scene: PartScene, clientOf: ClientOf): Promise<void> {
  const { foreign, harness, client } = scene
  const port = harness.httpPort
  await using good = clientOf({ port, material: client })
  expectCaller(await good.get('/whoami'), PEER_ID)
  expectCaller(await good.get('/whoami', forged), PEER_ID)
  const invalid = await good.get('/whoami', { 'svid-chain': 'spiffe://example.org/admin' })
  expectEqual(invalid.status, 401, 'the status with a chain that is none')
  await using federated = clientOf({ port, material: await foreign.mint(FOREIGN_ID) })
  expectCaller(await federated.get('/x509-only', forged), FOREIGN_ID)
  for (const material of await unprovenClients(scene)) {
    await using bad = clientOf({ port, material })
    expectThat(isRefused(await bad.get('/whoami', forged)), 'a caller without proof is answered')
  }
}

const asServer: readonly ConformanceCase[] = [
  {
    name: 'HTTP-1',
    level: 'core',
    title: 'a request has the SPIFFE ID of its caller, whatever its headers say',
    rule: 'X509-SVID §5 (31)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'http')
      for (const { clientOf } of versions) await expectProof(scene, clientOf)
    },
  },
  {
    name: 'HTTP-2',
    level: 'core',
    title: 'a caller that no rule names gets 403, and the others their answer',
    rule: 'harness, part http',
    run: async (stage) => {
      const allowed = 'spiffe://example.org/allowed'
      const { home, harness, client } = await servingParts(stage, 'http', {
        HARNESS_ALLOW: allowed,
      })
      const port = harness.httpPort
      for (const { clientOf } of versions) {
        await using good = clientOf({ port, material: await home.mint(allowed) })
        expectCaller(await good.get('/whoami'), allowed)
        await using other = clientOf({ port, material: client })
        expectEqual((await other.get('/whoami', forged)).status, 403, 'the status')
        expectEqual((await other.get('/public')).body, 'ok', 'the answer of a public route')
      }
    },
  },
  {
    name: 'HTTP-3',
    level: 'optional',
    title: 'a kept connection is not served when the authority of its peer has gone',
    rule: 'Workload API §4.4 (67)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'http')
      const { home, harness, client } = scene
      const gone = await mintRootCa(TRUST_DOMAIN)
      await renew(scene, home, gone)
      const port = harness.httpPort
      const lapsing = await gone.mint(PEER_ID)
      await using kept = http1Client({ port, material: lapsing })
      await using keptHttp2 = http2Client({ port, material: lapsing })
      await using good = http2Client({ port, material: client })
      for (const each of [kept, keptHttp2, good]) expectCaller(await each.get('/whoami'), PEER_ID)
      await renew(scene)
      await Promise.all([kept, keptHttp2].map((each) => expectServedNoMore(each)))
      expectCaller(await good.get('/whoami'), PEER_ID)
    },
  },
]

async function expectServedNoMore(client: HttpClient): Promise<void> {
  const look = (): Promise<HttpAnswer> => client.get('/whoami')
  const late = (): Error => new Failure(`served ${SERVED_MS} ms later`)
  await until(look, isRefused, SERVED_MS, late)
  await during(PERSISTENCE_MS, async () => expectThat(isRefused(await look()), 'served again'))
}

const asClient: readonly ConformanceCase[] = [
  {
    name: 'HTTP-4',
    level: 'core',
    title:
      'nothing is sent to a server that is not the one, and the answer says that it was refused',
    rule: 'X509-SVID §5 (31)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'http')
      const { harness } = scene
      const server = { id: HARNESS_ID }
      for (const { http2, protocol } of versions) {
        const own = { url: `https://127.0.0.1:${harness.httpPort}/whoami`, server, http2 }
        const { body } = await harness.control.post('/v2/http/get', own)
        expectEqual(body['httpStatus'], 200, 'the status of the good server')
        expectEqual(body['spiffe_id'], HARNESS_ID, 'the good server')
        await expectNothingSent(stage, scene, protocol, '/v2/http/get', ({ url }) => ({
          url,
          server,
          http2,
          headers: { authorization: 'Bearer secret' },
        }))
      }
    },
  },
  {
    name: 'HTTP-5',
    level: 'core',
    title: 'rotations of both ends fail no request',
    rule: 'Workload API §4.4 (67)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'http')
      const { harness } = scene
      const many = harness.control.post('/v2/http/many', {
        url: `https://127.0.0.1:${harness.httpPort}/whoami`,
        server: { id: HARNESS_ID },
        http2: false,
        seconds: 2,
        concurrency: 4,
      })
      for (let round = 0; round < 5; round++) await renew(scene)
      const { ok, failed, codes, serverSerials } = (await many).body
      expectThat(failed === 0 && Number(ok) > 0, `${String(ok)} ok, ${JSON.stringify(codes)}`)
      expectThat(Array.isArray(serverSerials) && serverSerials.length > 1, 'one serial number only')
    },
  },
  {
    name: 'HTTP-6',
    level: 'core',
    title: 'nothing is sent to a server whose authority has gone, nor to one without TLS',
    rule: 'Workload API §4.4 (67)',
    run: async (stage) => {
      const scene = await servingParts(stage, '')
      const { home, harness } = scene
      const gone = await mintRootCa(TRUST_DOMAIN)
      const server = await stage.use(CountingServer.listen(await gone.mint(PEER_ID)))
      const get = (url: string): ReturnType<typeof harness.control.post> =>
        harness.control.post('/v2/http/get', { url, server: { id: PEER_ID } })
      await renew(scene, home, gone)
      const control = await get(server.url)
      expectEqual(control.body['httpStatus'], 200, 'the status while it is trusted')
      const before = server.bytes
      await renew(scene)
      const { code, body } = await get(server.url)
      expectEqual(`${code} ${String(body['status'])}`, '422 rejected', 'the outcome')
      const plain = await get(server.url.replace('https:', 'http:'))
      expectEqual(plain.code, 422, 'the outcome without TLS')
      expectEqual(server.bytes, before, 'bytes sent')
    },
  },
]

export const httpPart: readonly ConformanceCase[] = [...asServer, ...asClient]
