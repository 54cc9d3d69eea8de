import { once } from 'node:events'
import https from 'node:https'
import type { TLSSocket } from 'node:tls'
import { text } from 'node:stream/consumers'
import type { MintedCa } from '@fastify-spiffe/authority'
import { connect, SvidAgent } from '@fastify-spiffe/tls'
import { matchAny, matchId } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { attempt } from './support/attacker.ts'
import { mintNamesake, ORDERS, rejections, sourceOf, WEB } from './support/scene.ts'
import { mutualTls, plainService, protectedService } from './support/services.ts'

const HOST = '127.0.0.1'

let authority: MintedCa
let partner: MintedCa

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  partner = await mintNamesake('partner.test')
})

/** A service of either, on Node alone, that trusts both. */
const plain = async (issuer: MintedCa) =>
  plainService(mutualTls(await issuer.mint(ORDERS), authority, partner))

describe('the authority of a federated trust domain, of the same name as ours', () => {
  test('makes a client of ours on Node alone, which knows no trust domains', async () => {
    await using service = await plain(authority)
    expect(await attempt(service.port, await partner.mint(WEB))).toMatchObject({ body: WEB })
  })

  test.each([
    ['HTTP/1.1', false],
    ['HTTP/2', true],
  ] as const)('makes no client of ours (%s), but its own', async (_protocol, allowHTTP1) => {
    using rejected = rejections()
    const source = await sourceOf(authority, partner)
    const kind = allowHTTP1 ? ({ http2: true, allowHTTP1 } as const) : {}
    await using service = await protectedService(source, kind)
    expect(await attempt(service.port, await partner.mint(WEB))).toMatchObject({ body: null })
    const guest = 'spiffe://partner.test/web'
    expect(await attempt(service.port, await partner.mint(guest))).toMatchObject({ body: guest })
    expect(service.callers).toEqual([guest])
    expect(rejected.codes).toEqual(['bad-signature'])
  })

  test('nor by way of an intermediate that claims our trust domain', async () => {
    using rejected = rejections()
    await using service = await protectedService(await sourceOf(authority, partner))
    const posing = await partner.mintCa({
      subject: authority.subject,
      uris: ['spiffe://example.org'],
    })
    expect(await attempt(service.port, await posing.mint(WEB))).toMatchObject({ body: null })
    expect(service.callers).toEqual([])
    expect(rejected.codes).toEqual(['bad-signature'])
  })

  test('makes a server of ours on Node alone', async () => {
    await using service = await plain(partner)
    const own = await authority.mint(WEB)
    const agent = new https.Agent({
      cert: own.certificatesPem,
      key: own.privateKeyPem,
      ca: [authority.certificatePem, partner.certificatePem],
      checkServerIdentity: (_host, { subjectaltname }) =>
        subjectaltname === `URI:${ORDERS}` ? undefined : new Error('another server'),
    })
    const [response] = await once(https.get({ host: HOST, port: service.port, agent }), 'response')
    expect(await text(response)).toBe(WEB)
    agent.destroy()
  })

  test('makes no server of ours, and its server gets no byte of a request', async () => {
    using rejected = rejections()
    // Node sends the authority along, and so it is known whose it is.
    await using service = await plain(partner)
    const received: Buffer[] = []
    service.server.on('secureConnection', (socket: TLSSocket) => {
      socket.prependListener('data', (chunk: Buffer) => received.push(chunk))
    })
    const source = await sourceOf(authority, partner)
    for (const server of [matchId(ORDERS), matchAny()]) {
      await expect(
        connect({ source, host: HOST, port: service.port, server }),
      ).rejects.toMatchObject({ code: 'server-refused', rejection: 'issuer-id-foreign' })
      const agent = new SvidAgent({ source, server })
      const [error] = await once(https.get({ host: HOST, port: service.port, agent }), 'error')
      expect(error).toMatchObject({ code: 'server-refused', rejection: 'issuer-id-foreign' })
      agent.destroy()
    }
    expect([service.callers, received]).toEqual([[], []])
    expect(rejected.codes).toHaveLength(4)
  })
})
