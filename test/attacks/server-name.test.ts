import { isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { attempt, dial } from './support/attacker.ts'
import { Dialogue, testWith } from './support/programs.ts'
import { mintNamesake, ORDERS, rejections, sourceOf, WEB } from './support/scene.ts'
import { mutualTls, plainService, protectedService } from './support/services.ts'

const LEGACY = 'legacy.example.org'

let authority: MintedCa
let stranger: MintedCa
let web: MintedCertificate
let intruder: MintedCertificate

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  stranger = await mintNamesake('example.org')
  web = await authority.mint(WEB)
  intruder = await stranger.mint(WEB)
})

/** A context for one more name, with an authority that was never meant for the others. */
const legacy = async (): Promise<ConnectionOptions> => {
  const { certificatesPem, privateKeyPem } = await stranger.mint(ORDERS)
  return { cert: certificatesPem, key: privateKeyPem, ca: [stranger.certificatePem] }
}

describe('a client that asks for another name', () => {
  test('chooses who vouches for it on Node alone', async () => {
    const own = await authority.mint(ORDERS)
    await using service = await plainService(mutualTls(own, authority))
    service.server.addContext(LEGACY, await legacy())
    expect(await attempt(service.port, intruder)).toMatchObject({ body: null })
    expect(await attempt(service.port, intruder, { servername: LEGACY })).toMatchObject({
      body: WEB,
    })
  })

  test('does not with us, even where the application has added a context for it', async () => {
    using rejected = rejections()
    await using service = await protectedService(await sourceOf(authority))
    service.server.addContext(LEGACY, await legacy())
    expect(await attempt(service.port, intruder, { servername: LEGACY })).toMatchObject({
      body: null,
    })
    expect(await attempt(service.port, null, { servername: LEGACY })).toMatchObject({ body: null })
    expect(rejected.codes).toEqual(['bad-signature', 'no-certificate'])
    const old = { servername: LEGACY, maxVersion: 'TLSv1.2' } as const
    expect(await attempt(service.port, web, old)).toMatchObject({ answer: '' })
    expect(service.callers).toEqual([])
  })

  const names = [
    '',
    'unknown.test',
    'localhost',
    'a'.repeat(63),
    `${'a.'.repeat(126)}b`,
    '*',
    'xn--a',
  ]

  test.each(names)('gets the one SVID there is: %p', async (servername) => {
    const source = await sourceOf(authority)
    await using service = await protectedService(source)
    const socket = dial(service.port, web, { servername })
    const seen = new Promise((resolve) => {
      socket.once('secureConnect', () => resolve(socket.getPeerX509Certificate()?.fingerprint256))
      socket.once('close', () => resolve('cut'))
    })
    expect(await seen).toBe(source.svid?.leaf.fingerprint256)
    socket.destroy()
    expect(await attempt(service.port, web, { servername })).toMatchObject({ body: WEB })
    expect(await attempt(service.port, intruder, { servername })).toMatchObject({ body: null })
  })

  const testWithOpenssl = testWith('openssl', 'version')

  // Clients of Node warn of it, or refuse to: RFC 6066 §3 permits no addresses.
  testWithOpenssl.each(['127.0.0.1', '::1'])('gets it for an address too: %s', async (address) => {
    expect(isIP(address)).not.toBe(0)
    const source = await sourceOf(authority)
    await using service = await protectedService(source)
    const target = ['-connect', `127.0.0.1:${service.port}`, '-servername', address]
    await using client = new Dialogue('openssl', ['s_client', ...target])
    const said = await client.hear(/-----END CERTIFICATE-----/)
    const shown = /-----BEGIN CERTIFICATE-----[^]*-----END CERTIFICATE-----/.exec(said)?.[0]
    expect(source.svid?.exportCertificatesPem()).toContain(shown)
    expect(service.callers).toEqual([])
  })
})
