import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { Authority } from '@fastify-spiffe/authority'
import { connect } from '@fastify-spiffe/tls'
import { BundleSet, X509Bundle, type X509Svid } from '@fastify-spiffe/spiffe'
import { authz, matchId, peer, spiffeServer, svid } from 'fastify-spiffe'
import Fastify, { type FastifyInstance } from 'fastify'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'

const PACE_MS = 20
const SERVER = 'spiffe://example.org/acme/orders'
const CALLER = 'spiffe://example.org/acme/web'
const REQUEST = `GET /orders HTTP/1.1\r\nhost: orders\r\n\r\n`

interface Tally {
  requests: number
  readonly failures: unknown[]
}

const endpoint = { host: '127.0.0.1', server: matchId(SERVER) }

interface Material {
  readonly svid: X509Svid
  readonly bundles: BundleSet
}

// Issued beforehand: it is the rotation of servers that is under test, not the speed of an authority.
async function issue(authority: Authority, amount: number): Promise<Material[]> {
  const material: Material[] = []
  for (let index = 0; index < amount; index += 1) {
    await using passing = await Authority.create({ trustDomain: 'example.org' })
    const authorities = [...authority.bundle.authorities, ...passing.bundle.authorities]
    material.push({
      svid: await authority.issueX509Svid(SERVER),
      bundles: BundleSet.of(X509Bundle.of(authority.trustDomain, authorities)),
    })
  }
  return material
}

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
  caller: ScriptedSource,
): Promise<{ session: http2.ClientHttp2Session; socket: TLSSocket }> {
  const socket = await connect({ ...endpoint, source: caller, port, alpnProtocols: ['h2'] })
  return {
    socket,
    session: http2.connect(`https://127.0.0.1:${port}`, { createConnection: () => socket }),
  }
}

/** Does what it is given until there is enough of it; resolves with whether to go on. */
type Request = (work: () => Promise<void>) => Promise<boolean>
type Client = (port: number, caller: ScriptedSource, request: Request) => Promise<void>

/** The four kinds of client: kept alive and fresh, on each protocol. Each sends until told to stop. */
const clients: Readonly<Record<string, Client>> = {
  'HTTP/1.1, kept alive': async (port, caller, request) => {
    const socket = await connect({ ...endpoint, source: caller, port })
    while (await request(() => answered(socket)));
    socket.destroy()
  },
  'HTTP/1.1, fresh': async (port, caller, request) => {
    const fresh = async (): Promise<void> => {
      const socket = await connect({ ...endpoint, source: caller, port })
      await answered(socket)
      socket.destroy()
    }
    while (await request(fresh));
  },
  'HTTP/2, kept alive': async (port, caller, request) => {
    const { session } = await openSession(port, caller)
    while (await request(() => answeredOnStream(session)));
    session.destroy()
  },
  'HTTP/2, fresh': async (port, caller, request) => {
    const fresh = async (): Promise<void> => {
      const { session } = await openSession(port, caller)
      await answeredOnStream(session)
      session.destroy()
    }
    while (await request(fresh));
  },
}

/**
 * Gives servers of both protocols a new SVID and new bundles every 20 ms while four clients send
 * without a pause, each `requests` at least. Resolves with what went wrong, by client.
 */
export async function failuresUnderRotation(
  rotations: number,
  requests: number,
): Promise<ReadonlyMap<string, readonly unknown[]>> {
  await using authority = await Authority.create({ trustDomain: 'example.org' })
  const svidOfCaller = await authority.issueX509Svid(CALLER)
  const caller = new ScriptedSource(svidOfCaller, BundleSet.of(authority.bundle))
  const material = await issue(authority, Math.min(rotations, 50))
  const first = material[0]!
  const source = new ScriptedSource(first.svid, first.bundles)
  const apps = [await serve(source, false), await serve(source, true)] as const
  let isRotating = true
  const tallies = new Map<string, Tally>()
  const load = Object.entries(clients).map(([name, client]) => {
    const tally: Tally = { requests: 0, failures: [] }
    tallies.set(name, tally)
    const { port } = apps[name.startsWith('HTTP/1.1') ? 0 : 1].server.address() as AddressInfo
    return client(port, caller, async (work) => {
      tally.requests += 1
      await work().catch((error: unknown) => tally.failures.push(error))
      return (isRotating || tally.requests < requests) && tally.failures.length === 0
    })
  })

  const startedAt = performance.now()
  for (let rotation = 1; rotation <= rotations; rotation += 1) {
    const next = material[rotation % material.length]!
    source.set(next.svid, next.bundles)
    await delay(Math.max(0, startedAt + rotation * PACE_MS - performance.now()))
  }
  const seconds = (performance.now() - startedAt) / 1000
  isRotating = false
  await Promise.all(load)

  const counts = [...tallies].map(([name, { requests: count }]) => `${count} ${name}`).join('; ')
  process.stdout.write(`${rotations} rotations in ${seconds.toFixed(1)} s: ${counts}\n`)
  const failures = new Map([...tallies].map(([name, tally]) => [name, tally.failures]))
  for (const app of apps) {
    if (app.svid.generation <= rotations) failures.set('rotation', [app.svid.generation])
    await app.close()
  }
  return failures
}
