import { EventEmitter, once } from 'node:events'
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { isCurrent, peerOf } from '@fastify-spiffe/tls'
import type { FastifyInstance, RawServerBase } from 'fastify'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { bundlesOf } from '../support/verdict.ts'
import { answerOf, dial, GET } from './support/attacker.ts'
import { held } from './support/held.ts'
import { mintNamesake, sourceOf, WEB } from './support/scene.ts'
import { protectedService } from './support/services.ts'

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: orders\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const CONNECT = 'CONNECT orders:1 HTTP/1.1\r\nHost: orders:1\r\n\r\n'

let authority: MintedCa
let removed: MintedCa
let web: MintedCertificate

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  removed = await mintNamesake('example.org')
  web = await removed.mint(WEB)
})

/** An application that takes connections out of HTTP, for callers whose proof holds. */
const takesConnections = () => {
  const events = new EventEmitter()
  const callers: unknown[] = []
  const equip = (app: FastifyInstance<RawServerBase>): void => {
    for (const name of ['upgrade', 'connect']) {
      app.server.on(name, (request: IncomingMessage, socket: Socket) => {
        const peer = peerOf(request.socket)
        const isProven = peer != null && isCurrent(peer, Date.now())
        callers.push(isProven ? String(peer.spiffeId) : null)
        events.emit('arrival')
        if (isProven) socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
        else socket.destroy()
      })
    }
  }
  return { equip, callers, next: () => once(events, 'arrival') }
}

/** An application that asks its routes whether they take an upgrade, as WebSocket plugins do. */
const asksItsRoutes = (app: FastifyInstance<RawServerBase>): void => {
  app.server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
    const response = new ServerResponse(request)
    response.assignSocket(socket)
    app.routing(request, response)
  })
}

/** Opens a connection whose first request waits for its answer while the authority is removed. */
const lapse = async (equip: (app: FastifyInstance<RawServerBase>) => void) => {
  const slow = held()
  const source = await sourceOf(authority, removed)
  const service = await protectedService(source, {
    equip: (app) => {
      equip(app)
      slow.equip(app)
    },
  })
  const socket = dial(service.port, web)
  const answer = answerOf(socket)
  socket.write(GET)
  await slow.arrival
  source.set(source.svid, bundlesOf(authority))
  return { service, socket, answer, release: slow.release }
}

describe.each<[string, string, string[]]>([
  // Without listeners Node takes it for an ordinary request, and cuts the other.
  ['an upgrade', UPGRADE, [WEB]],
  ['a tunnel', CONNECT, []],
])('a request for %s', (_name, words, callers) => {
  test('by a proven peer is one by that peer', async () => {
    const taking = takesConnections()
    const source = await sourceOf(authority, removed)
    await using service = await protectedService(source, { equip: taking.equip })
    const socket = dial(service.port, web)
    socket.write(words)
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 101 /)
    expect(taking.callers).toEqual([WEB])
    socket.destroy()
  })

  test('is granted to nobody where nobody grants it', async () => {
    await using service = await protectedService(await sourceOf(authority, removed))
    const socket = dial(service.port, web)
    socket.write(words)
    await Promise.race([once(socket, 'data'), once(socket, 'close')])
    expect(service.callers).toEqual(callers)
    socket.destroy()
  })

  test('by a peer whose authority has been removed comes from nobody whose proof holds', async () => {
    const taking = takesConnections()
    const { service, socket, answer, release } = await lapse(taking.equip)
    await using _ = service
    const next = taking.next()
    socket.write(words)
    await next
    release()
    expect(await answer).not.toMatch(/ 101 /)
    expect(taking.callers).toEqual([null])
    expect(service.callers).toEqual([WEB])
  })
})

test('a route that is asked for an upgrade by a peer that has expired is not reached', async () => {
  let now = Date.now()
  await using service = await protectedService(await sourceOf(authority, removed), {
    clock: () => now,
    onPeerExpiry: 'ignore',
    equip: asksItsRoutes,
  })
  const socket = dial(service.port, web)
  socket.write(GET)
  await once(socket, 'data')
  now += 7_200_000
  socket.write(UPGRADE)
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 401 /)
  expect(service.callers).toEqual([WEB])
  socket.destroy()
})
