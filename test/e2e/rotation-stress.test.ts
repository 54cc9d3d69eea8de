import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Authority } from '@fastify-spiffe/authority'
import { connect } from '@fastify-spiffe/tls'
import { BundleSet, X509Bundle, type X509Svid } from '@fastify-spiffe/spiffe'
import { authz, matchId, peer, spiffeServer, svid } from 'fastify-spiffe'
import Fastify, { type FastifyInstance } from 'fastify'
import { ScriptedSource } from '../support/scripted-source.ts'

const ROTATIONS = 1000
const PACE_MS = 20
const SERVER = 'spiffe://example.org/acme/orders'
const CALLER = 'spiffe://example.org/acme/web'
const REQUEST = `GET /orders HTTP/1.1\r\nhost: orders\r\n\r\n`

interface Tally {
  requests: number
  readonly failures: unknown[]
}

const endpoint = { host: '127.0.0.1', server: matchId(SERVER) }
let authority: Authority
let caller: ScriptedSource
let material: { readonly svid: X509Svid; readonly bundles: BundleSet }[]

// Issued beforehand: it is the rotation of servers that is under test, not the speed of an authority.
beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  caller = new ScriptedSource(await authority.issueX509Svid(CALLER), BundleSet.of(authority.bundle))
  material = []
  for (let index = 0; index < 50; index += 1) {
    await using passing = await Authority.create({ trustDomain: 'example.org' })
    const authorities = [...authority.bundle.authorities, ...passing.bundle.authorities]
    material.push({
      svid: await authority.issueX509Svid(SERVER),
      bundles: BundleSet.of(X509Bundle.of(authority.trustDomain, authorities)),
    })
  }
}, 60_000)

afterAll(async () => {
  await authority.close()
})

async function serve(source: ScriptedSource, http2Only: boolean): Promise<FastifyInstance> {
  const app = (http2Only
    ? Fastify(spiffeServer(source, { http2: true }))
    : Fastify(spiffeServer(source))) as unknown as FastifyInstance
  await app.register(svid, { source })
  await app.register(peer)
  await app.register(authz)
  app.get('/orders', { config: { spiffe: { allow: [CALLER] } } }, () => 'ok')
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

async function answered(socket: TLSSocket): Promise<void> {
  socket.write(REQUEST)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  if (!answer.toString('latin1').startsWith('HTTP/1.1 200'))
    throw new Error(answer.toString('latin1'))
}

async function answeredOnStream(session: http2.ClientHttp2Session): Promise<void> {
  const stream = session.request({ ':path': '/orders' })
  const [headers] = (await once(stream, 'response')) as [{ ':status': number }]
  stream.resume()
  await once(stream, 'close')
  if (headers[':status'] !== 200) throw new Error(`status ${headers[':status']}`)
}

async function openSession(
  port: number,
): Promise<{ session: http2.ClientHttp2Session; socket: TLSSocket }> {
  const socket = await connect({ ...endpoint, source: caller, port, alpnProtocols: ['h2'] })
  return {
    socket,
    session: http2.connect(`https://127.0.0.1:${port}`, { createConnection: () => socket }),
  }
}

/** The four kinds of client: kept alive and fresh, on each protocol. Each sends until told to stop. */
const clients: Record<
  string,
  (port: number, request: (work: () => Promise<void>) => Promise<boolean>) => Promise<void>
> = {
  'HTTP/1.1, kept alive': async (port, request) => {
    const socket = await connect({ ...endpoint, source: caller, port })
    while (await request(() => answered(socket)));
    socket.destroy()
  },
  'HTTP/1.1, fresh': async (port, request) => {
    const fresh = async (): Promise<void> => {
      const socket = await connect({ ...endpoint, source: caller, port })
      await answered(socket)
      socket.destroy()
    }
    while (await request(fresh));
  },
  'HTTP/2, kept alive': async (port, request) => {
    const { session } = await openSession(port)
    while (await request(() => answeredOnStream(session)));
    session.destroy()
  },
  'HTTP/2, fresh': async (port, request) => {
    const fresh = async (): Promise<void> => {
      const { session } = await openSession(port)
      await answeredOnStream(session)
      session.destroy()
    }
    while (await request(fresh));
  },
}

test('1,000 rotations of SVID and bundle within 20 s fail no request, kept alive or fresh, on HTTP/1.1 and HTTP/2', async () => {
  const first = material[0]!
  const source = new ScriptedSource(first.svid, first.bundles)
  const apps = { 'HTTP/1.1': await serve(source, false), 'HTTP/2': await serve(source, true) }
  const portOf = (name: string): number => {
    const app = name.startsWith('HTTP/1.1') ? apps['HTTP/1.1'] : apps['HTTP/2']
    return (app.server.address() as AddressInfo).port
  }
  let running = true
  const tallies = new Map<string, Tally>()
  const load = Object.entries(clients).map(([name, client]) => {
    const tally: Tally = { requests: 0, failures: [] }
    tallies.set(name, tally)
    return client(portOf(name), async (work) => {
      tally.requests += 1
      await work().catch((error: unknown) => tally.failures.push(error))
      return running && tally.failures.length === 0
    })
  })

  const startedAt = performance.now()
  for (let rotation = 1; rotation <= ROTATIONS; rotation += 1) {
    const next = material[rotation % material.length]!
    source.set(next.svid, next.bundles)
    await delay(Math.max(0, startedAt + rotation * PACE_MS - performance.now()))
  }
  const seconds = (performance.now() - startedAt) / 1000
  running = false
  await Promise.all(load)

  expect(apps['HTTP/1.1'].svid.generation).toBeGreaterThan(ROTATIONS)
  expect(apps['HTTP/2'].svid.generation).toBeGreaterThan(ROTATIONS)
  for (const [name, { requests, failures }] of tallies) {
    expect({ name, failures }).toEqual({ name, failures: [] })
    expect(requests).toBeGreaterThan(100)
  }
  const counts = [...tallies].map(([name, { requests }]) => `${requests} ${name}`).join('; ')
  process.stdout.write(`${ROTATIONS} rotations in ${seconds.toFixed(1)} s: ${counts}; 0 failures\n`)
  await Promise.all(Object.values(apps).map((app) => app.close()))
}, 120_000)
