import { once } from 'node:events'
import tls, { TLSSocket } from 'node:tls'
import type { AddressInfo } from 'node:net'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { peerOf } from '@fastify-spiffe/tls'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { answerOf, attempt, dial, GET, LAST_GET } from './support/attacker.ts'
import { mintNamesake, rejections, sourceOf, WEB } from './support/scene.ts'
import { mutualTls, protectedService } from './support/services.ts'

let authority: MintedCa
let direct: MintedCertificate
let behind: MintedCertificate

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  direct = await authority.mint(WEB)
  behind = await (await authority.mintCa({ subject: 'CN=Intermediate' })).mint(WEB)
})

/** How many certificates Node shows, when it is asked several times. */
const certificatesSeen = (socket: TLSSocket): number => {
  let count = 0
  let certificate = socket.getPeerX509Certificate()
  while (certificate !== undefined) {
    count += 1
    certificate = certificate.issuerCertificate
  }
  return count
}

/** Whether this Node loses the intermediates when it is asked for the certificates. */
const losesTheChain = async (): Promise<boolean> => {
  const own = await authority.mint('spiffe://example.org/server')
  const server = tls.createServer({ ...mutualTls(own), rejectUnauthorized: false })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'secureConnection')
  const client = dial((server.address() as AddressInfo).port, behind)
  const [socket] = (await accepted) as [TLSSocket]
  const seen = [certificatesSeen(socket), certificatesSeen(socket)]
  client.destroy()
  server.close()
  await once(server, 'close')
  expect(seen[0]).toBe(2)
  return seen[1] === 1
}

/** The first versions of their lines that do not. */
const KEEPS_THE_CHAIN: ReadonlyMap<number, number> = new Map([
  [24, 22],
  [26, 9],
])

test('who asks Node twice for a chain may get a part of it', async () => {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  expect(await losesTheChain()).toBe(minor < (KEEPS_THE_CHAIN.get(major) ?? Infinity))
})

describe('who reads the certificate of a peer', () => {
  test('in handlers, in every way there is, changes nobody', async () => {
    await using service = await protectedService(await sourceOf(authority), {
      equip: (app) => {
        app.addHook('onRequest', async ({ raw }) => {
          const { socket } = raw
          if (!(socket instanceof TLSSocket)) throw new TypeError('no TLS')
          certificatesSeen(socket)
          socket.getPeerCertificate(true)
          socket.getPeerCertificate()
        })
      },
    })
    for (const client of [behind, direct, behind]) {
      const socket = dial(service.port, client)
      socket.write(GET)
      await once(socket, 'data')
      socket.write(LAST_GET)
      expect(await answerOf(socket)).toMatch(new RegExp(`${WEB}$`))
    }
    expect(service.callers).toEqual(Array.from({ length: 6 }, () => WEB))
  })

  test('before the verifier does, costs that peer its connection, and never makes it another', async () => {
    using rejected = rejections()
    await using service = await protectedService(await sourceOf(authority))
    service.server.prependListener('secureConnection', certificatesSeen)
    const isLost = await losesTheChain()
    expect(await attempt(service.port, direct)).toMatchObject({ body: WEB })
    expect(await attempt(service.port, behind)).toMatchObject({ body: isLost ? null : WEB })
    expect(rejected.codes).toEqual(isLost ? ['no-path'] : [])
  })

  test('after it was cut, finds a connection that is nobody', async () => {
    const stranger = await (await mintNamesake('example.org')).mint(WEB)
    await using service = await protectedService(await sourceOf(authority))
    const seen: unknown[] = []
    service.server.on('secureConnection', (socket: TLSSocket) => {
      seen.push(peerOf(socket), socket.destroyed, socket.authorized)
    })
    expect(await attempt(service.port, stranger)).toMatchObject({ body: null })
    expect(seen).toEqual([undefined, true, false])
  })
})
