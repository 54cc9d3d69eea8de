import { Authority } from '@fastify-spiffe/authority'
import { createDispatcher } from '@fastify-spiffe/fetch'
import { Agent, request, type Dispatcher } from 'undici'
import { MeasuredServer } from '../measured-server.ts'
import { compare, type Comparison } from './paired.ts'

const SERVER = 'spiffe://example.org/acme/orders'
const WORKERS = 20
const ROUNDS = 14

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

/** Requests of undici by our dispatcher, and by an `Agent` with static certificates and Node's verification. */
export async function compareHttp(): Promise<Comparison[]> {
  await using authority = await Authority.create({ trustDomain: 'example.org' })
  const [orders, web] = await Promise.all([
    authority.issueX509Svid(SERVER),
    authority.issueX509Svid('spiffe://example.org/acme/web'),
  ])
  const ca = authority.bundle.authorities.map(({ x509 }) => x509.toString()).join('')
  const cert = orders.exportCertificatesPem()
  const server = await MeasuredServer.start({
    kind: 'bare',
    cert,
    key: orders.exportPrivateKeyPem(),
    ca,
  })
  const source = await authority.source(web.spiffeId)
  const url = `https://127.0.0.1:${server.port}/orders`
  const pool = { connections: WORKERS }
  const dispatchers = {
    ours: createDispatcher({ source, server: SERVER, pool }),
    bare: new Agent({
      ...pool,
      connect: {
        ca,
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
  const pairOf = (send: Send, units: number) => ({
    ours: work('ours', send, units),
    bare: work('bare', send, units),
  })
  const common = { rounds: ROUNDS, goal: 0.97 }
  const results = [
    await compare(pairOf(byRequest, 4000), {
      ...common,
      name: 'undici request, kept-alive connections',
      unit: 'request',
      units: 4000,
    }),
    await compare(pairOf(byFetch, 1000), {
      ...common,
      name: 'built-in fetch, kept-alive connections',
      unit: 'request',
      units: 1000,
    }),
    await compare(pairOf(byNewConnection, 200), {
      ...common,
      name: 'undici request, a new connection each',
      unit: 'connection',
      units: 200,
    }),
  ]
  await Promise.all([dispatchers.ours.destroy(), dispatchers.bare.destroy()])
  await source.close()
  await server.stop()
  return results
}
