import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { peerOf } from '@fastify-spiffe/tls'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { bundlesOf } from '../support/verdict.ts'
import { dial } from './support/attacker.ts'
import { FrameClient, GOAWAY, HEADERS } from './support/http2-frames.ts'
import { held } from './support/held.ts'
import { ADMIN, mintNamesake, ORDERS, sourceOf, WEB } from './support/scene.ts'
import { mutualTls, protectedService } from './support/services.ts'

const H2 = { ALPNProtocols: ['h2'] }

let authority: MintedCa
let removed: MintedCa
let web: MintedCertificate
let admin: MintedCertificate

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  removed = await mintNamesake('example.org')
  web = await removed.mint(WEB)
  admin = await authority.mint(ADMIN)
})

/** Node alone, with the identities in a WeakMap by socket, as one would keep them. */
const plain = async () => {
  const options = mutualTls(await authority.mint(ORDERS), authority, removed)
  const server = http2.createSecureServer(options)
  const verdicts = new WeakMap<object, unknown>()
  const seen: unknown[] = []
  server.on('secureConnection', (socket: TLSSocket) => {
    verdicts.set(socket, socket.getPeerCertificate().subjectaltname)
  })
  server.on('request', ({ socket }, response) => {
    seen.push(verdicts.get(socket))
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    options,
    seen,
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

describe('the sockets that HTTP/2 offers are proxies', () => {
  test('by which a WeakMap finds nobody', async () => {
    await using service = await plain()
    const socket = dial(service.port, web, H2)
    const client = new FrameClient(socket)
    client.request(1)
    await client.receive(HEADERS, 1)
    expect(service.seen).toEqual([undefined])
    socket.destroy()
  })

  test('and each stream of each session has the identity of its own connection', async () => {
    const peers: unknown[] = []
    const source = await sourceOf(authority, removed)
    await using service = await protectedService(source, {
      http2: true,
      equip: (app) => {
        app.addHook('onRequest', async ({ raw }) => {
          const session = Reflect.get(Reflect.get(raw, 'stream'), 'session')
          peers.push(peerOf(raw.socket) === peerOf(session))
        })
      },
    })
    const open = (client: MintedCertificate) =>
      http2.connect('https://orders', { createConnection: () => dial(service.port, client, H2) })
    const sessions = [open(web), open(admin)]
    // One session serves many names: none of them makes it another caller's.
    const names = ['orders', 'admin.example.org', 'localhost']
    const answers = names.flatMap((name) =>
      sessions.map((session) => text(session.request({ ':authority': name }))),
    )
    expect(await Promise.all(answers)).toEqual(names.flatMap(() => [WEB, ADMIN]))
    expect(peers).toEqual(answers.map(() => true))
    for (const session of sessions) session.destroy()
  })
})

describe('a client whose authority was removed', () => {
  test('goes on with its session on Node alone', async () => {
    await using service = await plain()
    const socket = dial(service.port, web, H2)
    const client = new FrameClient(socket)
    client.request(1)
    await client.receive(HEADERS, 1)
    service.server.setSecureContext({ ...service.options, ca: [authority.certificatePem] })
    client.request(3)
    expect(await client.receive(HEADERS, 3)).toBeDefined()
    expect(service.seen).toHaveLength(2)
    socket.destroy()
  })

  test('gets GOAWAY, and nothing on the streams that it opens all the same', async () => {
    const source = await sourceOf(authority, removed)
    const slow = held()
    await using service = await protectedService(source, { http2: true, equip: slow.equip })
    const client = new FrameClient(dial(service.port, web, H2))
    client.request(1)
    await slow.arrival
    source.set(source.svid, bundlesOf(authority))
    expect(await client.receive(GOAWAY)).toBeDefined()
    for (const stream of [3, 5, 7]) client.request(stream)
    slow.release()
    expect(await client.receive(HEADERS, 1)).toBeDefined()
    await client.end()
    expect(await client.receive(HEADERS, 3)).toBeUndefined()
    expect(service.callers).toEqual([WEB])
  })

  test('is not heard on an idle session either', async () => {
    const source = await sourceOf(authority, removed)
    await using service = await protectedService(source, { http2: true })
    const client = new FrameClient(dial(service.port, web, H2))
    client.request(1)
    await client.receive(HEADERS, 1)
    source.set(source.svid, bundlesOf(authority))
    client.request(3)
    await client.end()
    expect(await client.receive(HEADERS, 3)).toBeUndefined()
    expect(service.callers).toEqual([WEB])
  })
})

test('a request for a tunnel reaches no handler', async () => {
  await using service = await protectedService(await sourceOf(authority), { http2: true })
  const socket = dial(service.port, admin, H2)
  const client = new FrameClient(socket)
  client.connect(1)
  client.request(3)
  expect(await client.receive(HEADERS, 3)).toBeDefined()
  expect(service.callers).toEqual([ADMIN])
  socket.destroy()
})
