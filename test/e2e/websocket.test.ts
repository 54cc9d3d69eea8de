import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { connect, type PeerLapsedEvent } from '@fastify-spiffe/tls'
import websocket from '@fastify/websocket'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  authz,
  matchId,
  peer,
  spiffeServer,
  svid,
  type Peer,
  type X509MaterialSource,
} from 'fastify-spiffe'
import { WebSocket } from 'ws'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'
const GRACE_MS = 500

let authority: Authority
let source: InProcessSource
let web: InProcessSource
let stranger: InProcessSource
let app: FastifyInstance

/** Whose each WebSocket is. */
const peers = new Map<WebSocket, Peer | null>()

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  source = await authority.source(ORDERS)
  web = await authority.source(WEB)
  stranger = await authority.source('spiffe://example.org/acme/stranger')
  app = Fastify(spiffeServer(source, { graceMs: GRACE_MS }))
  await app.register(svid, { source })
  await app.register(peer)
  await app.register(authz)
  await app.register(websocket)
  app.get('/live', { websocket: true, config: { spiffe: { allow: [WEB] } } }, (socket, request) => {
    peers.set(socket, request.peer)
    socket.on('message', () => socket.send(`hello ${String(request.spiffeId)}`))
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
})

afterAll(async () => {
  await app.close()
  for (const it of [source, web, stranger, authority]) await it[Symbol.asyncDispose]()
})

const call = async (from: X509MaterialSource, path = '/live'): Promise<WebSocket> => {
  const { port } = app.server.address() as AddressInfo
  const socket = await connect({ source: from, host: '127.0.0.1', port, server: matchId(ORDERS) })
  return new WebSocket(`ws://127.0.0.1:${port}${path}`, { createConnection: () => socket })
}

const open = async (): Promise<WebSocket> => {
  const socket = await call(web)
  await once(socket, 'open')
  return socket
}

const refusalOf = async (socket: WebSocket): Promise<string> => {
  const [error] = (await once(socket, 'error')) as [Error]
  return error.message
}

test('a WebSocket opens for a caller that its route names, and knows who called', async () => {
  const socket = await open()
  socket.send('who am I?')
  const [message] = (await once(socket, 'message')) as [Buffer]
  expect(message.toString()).toBe(`hello ${WEB}`)
  socket.close()
  await once(socket, 'close')
})

test('a caller that its route does not name gets 403 and no WebSocket', async () => {
  const before = peers.size
  expect(await refusalOf(await call(stranger))).toContain('403')
  expect(peers.size).toBe(before)
})

test('a path without a route gets 404 and no WebSocket', async () => {
  expect(await refusalOf(await call(web, '/elsewhere'))).toContain('404')
})

/** Of several WebSockets that are the caller's. */
function sayGoodbyeToFirst(message: unknown): void {
  const { peer: gone } = message as PeerLapsedEvent
  const isLeft = ([socket, its]: [WebSocket, Peer | null]): boolean =>
    its === gone && socket.readyState === WebSocket.OPEN
  const first = [...peers].find(isLeft)
  first?.[0].close(1008, 'identity lapsed')
}

test('a WebSocket whose caller lapses can close by itself, and is closed when its grace is over', async () => {
  const [polite, mute] = [await open(), await open()]
  const goodbye = once(polite, 'close')
  const cut = once(mute, 'close')
  subscribe('spiffe:peer:lapsed', sayGoodbyeToFirst)
  expect(app.disconnectPeers(({ spiffeId }) => spiffeId.toString() === WEB)).toBe(1)
  expect((await goodbye)[0]).toBe(1008)
  // 1006: cut without a closing frame.
  expect((await cut)[0]).toBe(1006)
  unsubscribe('spiffe:peer:lapsed', sayGoodbyeToFirst)
})
