import http2 from 'node:http2'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { peer } from '@fastify-spiffe/peer'
import { spiffeServer } from '@fastify-spiffe/svid'
import { beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyRequest } from 'fastify'
import { attempt, dial } from './support/attacker.ts'
import { ADMIN, mintNamesake, sourceOf, WEB } from './support/scene.ts'
import { protectedService } from './support/services.ts'

let authority: MintedCa
let web: MintedCertificate

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  web = await authority.mint(WEB)
})

/** What proxies and meshes write for those behind them, and what people make up. */
const HEADERS = {
  'x-forwarded-client-cert': `By=${ADMIN};Hash=00;URI=${ADMIN}`,
  'client-cert': ':MIIB:',
  'client-cert-chain': ':MIIB:',
  'x-ssl-client-verify': 'SUCCESS',
  'x-ssl-client-cert': 'MIIB',
  'x-client-verify': 'SUCCESS',
  'x-spiffe-id': ADMIN,
  'spiffe-id': ADMIN,
  spiffeid: ADMIN,
  'x-forwarded-for': '127.0.0.1',
  forwarded: `for=127.0.0.1;by=${ADMIN}`,
  authorization: `SPIFFE ${ADMIN}`,
}

const requestWith = (headers: Record<string, string>): string => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n${lines.join('')}\r\n`
}

const callerInHeader = ({ headers }: FastifyRequest): string =>
  /URI=(\S+)/.exec(String(headers['x-forwarded-client-cert']))?.[1] ?? 'nobody'

describe('a header that names another caller', () => {
  test('is believed by who reads it', async () => {
    await using app = Fastify(spiffeServer(await sourceOf(authority)))
    await app.register(peer)
    app.get('/', (request) => callerInHeader(request))
    const { port } = new URL(await app.listen({ host: '127.0.0.1', port: 0 }))
    const { body } = await attempt(Number(port), web, { send: requestWith(HEADERS) })
    expect(body).toBe(ADMIN)
  })

  test.each(Object.entries(HEADERS))('changes nothing: %s', async (name, value) => {
    await using service = await protectedService(await sourceOf(authority))
    for (const headers of [{ [name]: value }, { [name.toUpperCase()]: value }]) {
      expect(await attempt(service.port, web, { send: requestWith(headers) })).toMatchObject({
        body: WEB,
      })
    }
  })

  test('changes nothing for who comes without a certificate', async () => {
    const options = { clientCertificate: 'optional' } as const
    await using service = await protectedService(await sourceOf(authority), options)
    expect(await attempt(service.port, null, { send: requestWith(HEADERS) })).toMatchObject({
      body: 'null',
    })
  })

  test('changes nothing behind a proxy that is trusted, and nothing over HTTP/2', async () => {
    await using app = Fastify({
      ...spiffeServer(await sourceOf(authority), { http2: true, allowHTTP1: true }),
      trustProxy: true,
    })
    await app.register(peer)
    app.get('/', (request) => String(request.spiffeId))
    const port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
    expect((await attempt(port, web, { send: requestWith(HEADERS) })).body).toBe(WEB)
    const socket = dial(port, web, { ALPNProtocols: ['h2'] })
    const session = http2.connect('https://orders', { createConnection: () => socket })
    expect(await text(session.request(HEADERS))).toBe(WEB)
    const closed = once(session, 'close')
    session.close()
    await closed
  })
})

describe('a request that hides in another', () => {
  const hidden = 'GET / HTTP/1.1\r\nHost: orders\r\nX-Spiffe-Id: admin\r\n\r\n'
  const start = 'GET / HTTP/1.1\r\nHost: orders\r\n'

  test.each([
    [
      'two lengths',
      `${start}Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n\r\n${hidden}`,
    ],
    [
      'a length and chunks',
      `${start}Content-Length: ${hidden.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
    ],
    ['chunks in disguise', `${start}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`],
    ['a header that ends early', `${start}X: a\rX-Spiffe-Id: admin\r\n\r\n${hidden}`],
    ['a folded header', `${start}X: a\r\n X-Spiffe-Id: admin\r\n\r\n${hidden}`],
  ])('by %s is not taken for one', async (_name, send) => {
    await using service = await protectedService(await sourceOf(authority))
    const { answer } = await attempt(service.port, web, { send })
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(service.callers).toEqual([])
    expect(await attempt(service.port, web)).toMatchObject({ body: WEB })
  })
})
