import { EventEmitter, once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Authority } from '@fastify-spiffe/authority'
import { connect } from '@fastify-spiffe/tls'
import { expect, test } from '@jest/globals'
import Fastify from 'fastify'
import {
  authz,
  matchId,
  peer,
  type PolicyDocument,
  spiffeServer,
  svid,
  type X509MaterialSource,
} from 'fastify-spiffe'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'

const allowing = (...allow: string[]): PolicyDocument => ({
  routes: {
    'GET /orders': { allow },
    'GET /slow': { allow },
    'GET /health': { public: { reason: 'a test' } },
  },
})

/** A caller that keeps one HTTP/2 connection. */
async function keepConnection(source: X509MaterialSource, port: number) {
  const socket = await connect({
    source,
    host: '127.0.0.1',
    port,
    server: matchId(ORDERS),
    alpnProtocols: ['h2'],
  })
  const session = http2.connect(`https://127.0.0.1:${port}`, { createConnection: () => socket })
  const get = async (path: string): Promise<readonly [number | undefined, string]> => {
    const stream = session.request({ ':path': path })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader]
    return [headers[':status'], await text(stream)]
  }
  return { session, get }
}

test('callers that a new policy no longer names are disconnected after the answer to their last request', async () => {
  await using authority = await Authority.create({ trustDomain: 'example.org' })
  await using source = await authority.source(ORDERS)
  await using webSource = await authority.source(WEB)
  await using apiSource = await authority.source(API)
  const app = Fastify(spiffeServer(source, { http2: true }))
  await app.register(svid, { source })
  await app.register(peer)
  await app.register(authz, { policy: allowing(WEB, API) })
  const slow = new EventEmitter()
  app.get('/orders', () => 'orders')
  app.get('/health', () => 'well')
  app.get('/slow', async () => {
    const finished = once(slow, 'finish')
    slow.emit('begin')
    await finished
    return 'at last'
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo

  const web = await keepConnection(webSource, port)
  const api = await keepConnection(apiSource, port)
  expect(await api.get('/orders')).toEqual([200, 'orders'])
  const begun = once(slow, 'begin')
  const last = web.get('/slow')
  await begun

  const goaway = once(web.session, 'goaway')
  await app.authz.reload(allowing(API))
  await goaway
  slow.emit('finish')
  expect(await last).toEqual([200, 'at last'])
  expect(await api.get('/orders')).toEqual([200, 'orders'])

  const again = await keepConnection(webSource, port)
  expect((await again.get('/orders'))[0]).toBe(403)
  expect(await again.get('/health')).toEqual([200, 'well'])
  for (const { session } of [again, api]) session.close()
  await app.close()
})
