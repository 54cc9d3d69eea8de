import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { attempt } from './support/attacker.ts'
import { ADMIN, mintNamesake, ORDERS, rejections, sourceOf, WEB } from './support/scene.ts'
import { mutualTls, plainService, protectedService } from './support/services.ts'

let authority: MintedCa
let lookAlikes: Buffer[]

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  const cas = Array.from({ length: 20 }, () => mintNamesake('example.org'))
  lookAlikes = (await Promise.all(cas)).map(({ der }) => der)
}, 60_000)

/** A good certificate, with others in front of, between or behind what belongs to it. */
const sent = (arrange: (chain: readonly Buffer[]) => Buffer[], ca = authority) =>
  ca.mint(WEB, { chain: (chain) => arrange(chain.map((der) => Buffer.from(der))) })

const outcomeOf = async (client: MintedCertificate) => {
  using rejected = rejections()
  await using service = await protectedService(await sourceOf(authority))
  const { body } = await attempt(service.port, client)
  return { body, codes: rejected.codes, callers: service.callers }
}

describe('a peer that sends look-alikes of its authority along', () => {
  test('is welcome on Node alone, with as many as it likes', async () => {
    const own = await authority.mint(ORDERS)
    await using service = await plainService(mutualTls(own, authority))
    const client = await sent((chain) => [...chain, ...lookAlikes])
    expect(await attempt(service.port, client)).toMatchObject({ body: WEB })
  })

  test.each([15, 20])('is heard when they are %d', async (count) => {
    const client = await sent((chain) => [...chain, ...lookAlikes.slice(0, count)])
    expect(await outcomeOf(client)).toMatchObject({ body: WEB, codes: [] })
  })

  test('is refused when they are more than TLS carries', async () => {
    const many = Array.from({ length: 25 }, () => lookAlikes).flat()
    const client = await sent((chain) => [...chain, ...many])
    expect(await outcomeOf(client)).toMatchObject({ body: null, callers: [] })
  })

  test('has its true intermediate found behind twenty of them', async () => {
    const intermediate = await authority.mintCa({ subject: authority.subject })
    const client = await sent(([leaf, ca]) => [leaf!, ...lookAlikes, ca!], intermediate)
    expect(await outcomeOf(client)).toMatchObject({ body: WEB, codes: [] })
  })
})

describe('a peer that shows two certificates', () => {
  let admin: MintedCertificate

  beforeAll(async () => {
    admin = await authority.mint(ADMIN)
  })

  test('is who the first one names, for that is the one whose key it has', async () => {
    const client = await sent((chain) => [...chain, admin.chain[0]!])
    expect(await outcomeOf(client)).toMatchObject({ body: WEB })
  })

  test('is nobody when the first one proves nothing, whoever the second one names', async () => {
    const self = await authority.mint(ADMIN, {
      signedBy: 'self',
      chain: (chain) => [...chain, admin.chain[0]!],
    })
    const nameless = await authority.mint(WEB, {
      uris: [],
      chain: (chain) => [...chain, admin.chain[0]!],
    })
    expect(await outcomeOf(self)).toMatchObject({ body: null, callers: [] })
    expect(await outcomeOf(nameless)).toEqual({ body: null, codes: ['no-uri-san'], callers: [] })
  })

  test('is refused when its authority comes first and its own certificate second', async () => {
    // TLS asks for the key of the first: a CA that presents itself.
    const client = await authority.mint(WEB, {
      keyPair: authority.keyPair,
      chain: ([leaf]) => [authority.der, leaf!],
    })
    expect(await outcomeOf(client)).toMatchObject({ body: null, callers: [] })
  })
})
