import { Authority } from '@fastify-spiffe/authority'
import { createDispatcher, type DispatcherOptions } from '@fastify-spiffe/fetch'
import type { X509MaterialSource, X509Svid } from '@fastify-spiffe/spiffe'
import { Agent, request, type Dispatcher } from 'undici'
import { MeasuredServer } from '../measured-server.ts'
import { compare, type Comparison } from './paired.ts'

const SERVER = 'spiffe://example.org/acme/orders'
const WORKERS = 20
const ROUNDS = 14
const GOAL = 0.97

type Send = (dispatcher: Dispatcher, url: string) => Promise<void>

async function byRequest(dispatcher: Dispatcher, url: string): Promise<void> {
  const { statusCode, body } = await request(url, { dispatcher })
  await body.text()
  if (statusCode !== 200) throw new Error(`status ${statusCode}`)
}

async function byFetch(dispatcher: Dispatcher, url: string): Promise<void> {
  // The types of the built-in fetch are of another version of undici.
  const response = await fetch(url, { dispatcher: dispatcher as never })
  await response.text()
  if (!response.ok) throw new Error(`status ${response.status}`)
}

async function byNewConnection(dispatcher: Dispatcher, url: string): Promise<void> {
  const { body } = await request(url, { dispatcher, reset: true })
  await body.text()
}

/** What both clients and the server are made of. */
interface Scene {
  readonly material: { readonly cert: string; readonly key: string; readonly ca: string }
  readonly web: X509Svid
  readonly source: X509MaterialSource
}

/** Requests of undici by our dispatcher, and by an `Agent` with static certificates and Node's verification. */
export async function compareHttp(): Promise<Comparison[]> {
  await using authority = await Authority.create({ trustDomain: 'example.org' })
  const [orders, web] = await Promise.all([
    authority.issueX509Svid(SERVER),
    authority.issueX509Svid('spiffe://example.org/acme/web'),
  ])
  const ca = authority.bundle.authorities.map(({ x509 }) => x509.toString()).join('')
  const material = { cert: orders.exportCertificatesPem(), key: orders.exportPrivateKeyPem(), ca }
  const source = await authority.source(web.spiffeId)
  const scene = { material, web, source }
  const results = [...(await overHttp1(scene)), ...(await overHttp2(scene))]
  await source.close()
  return results
}

function overHttp1(scene: Scene): Promise<Comparison[]> {
  const options = { http2: false, ours: { connections: WORKERS }, bare: { connections: WORKERS } }
  return compareClients(scene, options, [
    [byRequest, 'undici request, kept-alive connections', 'request', 4000],
    [byFetch, 'built-in fetch, kept-alive connections', 'request', 1000],
    [byNewConnection, 'undici request, a new connection each', 'connection', 200],
  ])
}

/** The dispatcher lets requests share a connection by itself; undici 7 has to be told. */
function overHttp2(scene: Scene): Promise<Comparison[]> {
  const one = { connections: 1 }
  const bare = { ...one, pipelining: 100, allowH2: true }
  return compareClients(scene, { http2: true, ours: one, bare }, [
    [byRequest, 'undici request, HTTP/2', 'request', 2000],
    [byFetch, 'built-in fetch, HTTP/2', 'request', 1000],
  ])
}

interface ClientOptions {
  readonly http2: boolean
  readonly ours: DispatcherOptions['pool'] & object
  readonly bare: Agent.Options
}

async function compareClients(
  { material, web, source }: Scene,
  { http2, ours, bare }: ClientOptions,
  all: readonly (readonly [Send, string, string, number])[],
): Promise<Comparison[]> {
  const server = await MeasuredServer.start({ kind: 'bare', ...material, http2 })
  const url = `https://127.0.0.1:${server.port}/orders`
  const dispatchers = {
    ours: createDispatcher({ source, server: SERVER, http2, pool: ours }),
    bare: new Agent({
      ...bare,
      connect: {
        ca: material.ca,
        cert: web.exportCertificatesPem(),
        key: web.exportPrivateKeyPem(),
        // The authority is all that is verified: an SVID has no host name.
        checkServerIdentity: () => undefined,
        maxCachedSessions: 0,
      },
    }),
  }
  const work = (kind: keyof typeof dispatchers, send: Send, units: number) => async () => {
    const worker = async (): Promise<void> => {
      for (let sent = 0; sent < units / WORKERS; sent++) await send(dispatchers[kind], url)
    }
    await Promise.all(Array.from({ length: WORKERS }, worker))
  }
  const results: Comparison[] = []
  for (const [send, name, unit, units] of all) {
    const pair = { ours: work('ours', send, units), bare: work('bare', send, units) }
    const about = { name, unit, units, rounds: ROUNDS, goal: GOAL, speedGoal: GOAL }
    results.push(await compare(pair, about))
  }
  await Promise.all([dispatchers.ours.destroy(), dispatchers.bare.destroy()])
  await server.stop()
  return results
}
