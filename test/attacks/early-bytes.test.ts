import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { answerOf, dial, LAST_GET } from './support/attacker.ts'
import { mintNamesake, ORDERS, rejections, sourceOf, WEB } from './support/scene.ts'
import { OneFlight } from './support/one-flight.ts'
import { mutualTls, protectedService } from './support/services.ts'

let authority: MintedCa
let web: MintedCertificate
let stranger: MintedCertificate

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  web = await authority.mint(WEB)
  stranger = await (await mintNamesake('example.org')).mint(WEB)
})

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: orders\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
const CONNECT = 'CONNECT orders:1 HTTP/1.1\r\nHost: orders:1\r\n\r\n'

/** Sends a request in one segment with the end of the handshake, and returns the answer. */
const sendAlong = async (
  port: number,
  client: MintedCertificate,
  words = LAST_GET,
): Promise<string> => {
  const flight = new OneFlight(port)
  const socket = dial(port, client, { socket: flight })
  socket.write(words)
  await once(socket, 'secureConnect')
  // Until the client has said everything: the request is encrypted a turn after the Finished.
  await setImmediate()
  await setImmediate()
  const answer = answerOf(socket)
  flight.release()
  const said = await answer
  socket.destroy()
  await flight.gone
  return said
}

/** Node alone, with a verifier that takes a moment. */
const hesitant = async () => {
  const seen: string[] = []
  const server = https.createServer(
    { ...mutualTls(await authority.mint(ORDERS), authority), rejectUnauthorized: false },
    () => seen.push('request'),
  )
  server.on('upgrade', () => seen.push('upgrade'))
  server.on('connect', () => seen.push('connect'))
  server.on('secureConnection', (socket: TLSSocket) => {
    void setImmediate().then(() => socket.authorized || socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

describe.each([
  ['a request', LAST_GET, 'request'],
  ['a request to upgrade', UPGRADE, 'upgrade'],
  ['a request for a tunnel', CONNECT, 'connect'],
])('%s that comes in one segment with the Finished', (_name, words, event) => {
  test('is taken from anybody by a verifier that takes a moment', async () => {
    await using service = await hesitant()
    expect(await sendAlong(service.port, stranger, words)).toBe('')
    expect(service.seen).toEqual([event])
  })

  test.each([
    ['HTTP/1.1', {}],
    ['HTTP/2 that allows HTTP/1.1', { http2: true, allowHTTP1: true } as const],
  ])('is never parsed for a peer that is rejected (%s)', async (_protocol, options) => {
    using rejected = rejections()
    await using service = await protectedService(await sourceOf(authority), options)
    const seen: string[] = []
    for (const name of ['request', 'upgrade', 'connect', 'checkContinue', 'session', 'stream']) {
      service.server.on(name, () => seen.push(name))
    }
    expect(await sendAlong(service.port, stranger, words)).toBe('')
    expect([seen, service.callers]).toEqual([[], []])
    expect(rejected.codes).toEqual(['bad-signature'])
  })
})

test('a request that comes in one segment with the Finished is answered when its peer is good', async () => {
  await using service = await protectedService(await sourceOf(authority))
  expect(await sendAlong(service.port, web)).toContain(WEB)
  expect(service.callers).toEqual([WEB])
})

test('of a hundred peers that are rejected none is parsed, however much they send along', async () => {
  using rejected = rejections()
  await using service = await protectedService(await sourceOf(authority))
  const flood = 'GET / HTTP/1.1\r\nHost: orders\r\n\r\n'.repeat(100)
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => sendAlong(service.port, stranger, flood)),
  )
  expect(new Set(answers)).toEqual(new Set(['']))
  expect(service.callers).toEqual([])
  expect(rejected.codes).toHaveLength(100)
}, 60_000)
