import { mintRootCa } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import { CountingServer } from '../driver/counting-server.ts'
import { GrpcClient } from '../driver/grpc-client.ts'
import { http1Client } from '../driver/http-client.ts'
import { until, within } from '../driver/timing.ts'
import { expectEqual, expectThat, Failure, type ConformanceCase } from '../suite/case.ts'
import { PEER_ID } from './peer-case.ts'
import { expectNothingSent, renew, servingParts, unprovenClients } from './part-scene.ts'

const [OK, PERMISSION_DENIED, UNAVAILABLE, UNAUTHENTICATED] = [0, 7, 14, 16]

const COVERED = { HARNESS_COVERED: '1' }

/** How long a connection may be served, and a stream go on, whose peer is trusted no more. */
const SERVED_MS = 2000
const STREAM_MS = 15_000
const UNCOVERED_EXIT = 3
const START_MS = 10_000

const METHODS = ['Who', 'Ticks', 'Sum', 'Echo'] as const

const forged = {
  'x-forwarded-client-cert': 'URI=spiffe://example.org/admin',
  'x-spiffe-id': 'spiffe://example.org/admin',
  authority: 'spiffe://example.org/admin',
}

const isRefused = (status: number): boolean => status === UNAVAILABLE || status === UNAUTHENTICATED

export const grpcPart: readonly ConformanceCase[] = [
  {
    name: 'GRPC-1',
    level: 'core',
    title:
      'calls of all four kinds are answered, and have the SPIFFE ID of their caller, whatever the metadata says',
    rule: 'X509-SVID §5 (31)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'grpc', COVERED)
      const { harness, client } = scene
      await using good = new GrpcClient(harness.grpcPort, client)
      for (const headers of [{}, forged]) {
        const { status, values } = await good.call('Who', [''], headers)
        expectEqual(`${status} ${values.join(' ')}`, `${OK} ${PEER_ID}`, 'Who')
      }
      expectEqual((await good.call('Sum', ['a', 'b', 'c'])).values.join(' '), '3', 'Sum')
      expectEqual((await good.call('Echo', ['a', 'b'])).values.join(' '), 'a b', 'Echo')
      const ticks = good.begin('Ticks')
      ticks.send('')
      ticks.end()
      expectEqual(await ticks.next(), PEER_ID, 'Ticks')
      for (const material of await unprovenClients(scene)) {
        await using bad = new GrpcClient(harness.grpcPort, material)
        const outcomes = await Promise.all(METHODS.map((name) => bad.call(name, [''], forged)))
        for (const { status, values } of outcomes) {
          expectThat(isRefused(status) && values.length === 0, `a caller without proof: ${status}`)
        }
      }
    },
  },
  {
    name: 'GRPC-2',
    level: 'core',
    title: 'a caller that no rule names is refused by all methods but the health service',
    rule: 'harness, part grpc',
    run: async (stage) => {
      const allowed = 'spiffe://example.org/allowed'
      const environment = { ...COVERED, HARNESS_ALLOW: allowed }
      const { home, harness, client } = await servingParts(stage, 'grpc', environment)
      await using good = new GrpcClient(harness.grpcPort, await home.mint(allowed))
      expectEqual((await good.call('Who')).status, OK, 'the status of who is allowed')
      await using other = new GrpcClient(harness.grpcPort, client)
      const outcomes = await Promise.all(
        METHODS.map((name) => other.call(name, ['a', 'b'], forged)),
      )
      for (const { status, values } of outcomes) {
        expectEqual(`${status} ${values.length}`, `${PERMISSION_DENIED} 0`, 'the status')
      }
    },
  },
  {
    name: 'GRPC-3',
    level: 'core',
    title: 'a method that no rule names is refused, or keeps the server from starting',
    rule: 'harness, part grpc',
    run: async (stage) => {
      const agent = await stage.agent()
      const harness = stage.launch(agent.address, stage.command, { SPIFFE_HARNESS_PARTS: 'grpc' })
      const exit = await within(harness.exited, START_MS, null)
      if (exit !== null) {
        expectEqual(exit.code, UNCOVERED_EXIT, 'the exit code')
        return
      }
      await using client = new GrpcClient(harness.grpcPort, await agent.authority.mint(PEER_ID))
      expectEqual((await client.call('Secret')).status, PERMISSION_DENIED, 'the status')
    },
  },
  {
    name: 'GRPC-4',
    level: 'optional',
    title:
      'when the authority of a peer goes, its calls are refused, and what runs ends, also requests',
    rule: 'Workload API §4.4 (67)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'grpc,http', COVERED)
      const { home, harness, client } = scene
      const gone = await mintRootCa(TRUST_DOMAIN)
      await renew(scene, home, gone)
      const lapsing = await gone.mint(PEER_ID)
      await using kept = new GrpcClient(harness.grpcPort, lapsing)
      await using hanging = http1Client({ port: harness.httpPort, material: lapsing })
      await using good = new GrpcClient(harness.grpcPort, client)
      const [ticks, control] = [kept.begin('Ticks'), good.begin('Echo')]
      ticks.send('')
      ticks.end()
      expectEqual(await ticks.next(), PEER_ID, 'Ticks')
      control.send('before')
      expectEqual(await control.next(), 'before', 'Echo')
      const hang = hanging.get('/hang')
      await renew(scene)
      await until(
        () => kept.call('Who'),
        ({ status }) => isRefused(status),
        SERVED_MS,
        () => new Failure(`served ${SERVED_MS} ms later`),
      )
      const status = await within(ticks.status, STREAM_MS, null)
      expectThat(status !== null && status !== OK, `a stream goes on, or ended well: ${status}`)
      const { status: answered } = await within(hang, STREAM_MS, { status: 0 })
      expectEqual(answered, null, 'the status of a request that hangs')
      control.send('after')
      expectEqual(await control.next(), 'after', 'Echo of a peer that is trusted still')
    },
  },
  {
    name: 'GRPC-5',
    level: 'core',
    title: 'rotations of both ends drop no stream, and fail no call',
    rule: 'Workload API §4.4 (67)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'grpc', COVERED)
      const { harness, client } = scene
      const address = `127.0.0.1:${harness.grpcPort}`
      const call = { address, server: { id: HARNESS_ID } }
      await using bare = new GrpcClient(harness.grpcPort, client)
      const echo = bare.begin('Echo')
      const ticks = harness.control.post('/v2/grpc/call', { ...call, method: 'Ticks', seconds: 2 })
      for (let round = 0; round < 3; round++) {
        echo.send(String(round))
        expectEqual(await echo.next(), String(round), 'Echo')
        await renew(scene)
        const { body } = await harness.control.post('/v2/grpc/call', { ...call, method: 'Who' })
        expectEqual(body['grpcStatus'], OK, 'the status of a new call')
        expectEqual(body['spiffe_id'], HARNESS_ID, 'the server')
      }
      echo.end()
      expectEqual(await echo.status, OK, 'the status of a stream')
      const { values } = (await ticks).body
      expectThat(Array.isArray(values) && values.length > 0, `ticks: ${JSON.stringify(values)}`)
    },
  },
  {
    name: 'GRPC-6',
    level: 'core',
    title:
      'no byte of a call is sent to a server that is not the one, nor to one whose authority has gone',
    rule: 'X509-SVID §5 (31)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'grpc', COVERED)
      const { home, harness } = scene
      const server = { id: HARNESS_ID }
      const own = { address: `127.0.0.1:${harness.grpcPort}`, server, method: 'Who' }
      const { body } = await harness.control.post('/v2/grpc/call', own)
      expectEqual(body['grpcStatus'], OK, 'the status of the good server')
      for (const method of ['Who', 'Echo']) {
        await expectNothingSent(stage, scene, 'h2', '/v2/grpc/call', ({ address }) => ({
          address,
          server,
          method,
          messages: ['secret'],
        }))
      }
      const gone = await mintRootCa(TRUST_DOMAIN)
      const material = await gone.mint(HARNESS_ID)
      const lapsing = await stage.use(CountingServer.listen(material, 'h2'))
      const call = { address: lapsing.address, server, method: 'Who', seconds: 2 }
      await renew(scene, home, gone)
      await harness.control.post('/v2/grpc/call', call)
      expectThat(lapsing.bytes > 0, 'the positive control was sent nothing')
      await renew(scene)
      // Now: what the call before had to say has come.
      const before = lapsing.bytes
      const { code } = await harness.control.post('/v2/grpc/call', call)
      expectEqual(code, 422, 'the outcome')
      expectEqual(lapsing.bytes, before, 'bytes sent to a server whose authority has gone')
    },
  },
]
