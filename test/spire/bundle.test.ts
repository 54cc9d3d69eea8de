import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { Authority } from '@fastify-spiffe/authority'
import { Bundle, parseBundleMap, stringifyBundleMap, TrustDomain } from '@fastify-spiffe/spiffe'
import { BundleSet, JwtBundle, X509Bundle } from '@fastify-spiffe/spiffe'
import type { Certificate, JwtAuthority } from '@fastify-spiffe/spiffe'
import { SpireServer } from './fixture/index.ts'

const HOME = TrustDomain.parse('a.test')
const FOREIGN = TrustDomain.parse('b.test')

let server: SpireServer
let other: SpireServer

beforeAll(async () => {
  server = await SpireServer.start({ trustDomain: 'a.test' })
  other = await SpireServer.start({ trustDomain: 'b.test' })
})

afterAll(async () => {
  for (const each of [server, other]) await each?.[Symbol.asyncDispose]()
})

test("SPIRE's bundle is read whole, and grows with an authority", async () => {
  const bundle = Bundle.parse(HOME, await server.bundles.show('spiffe'))
  expect(bundle.ignored).toEqual([])
  const pem = X509Bundle.fromPem(HOME, await server.bundles.show('pem'))
  expect(bundle.x509.equals(pem)).toBe(true)
  expect(bundle.jwt.authorities).toHaveLength(1)

  await server.authorities.prepare()
  const grown = Bundle.parse(HOME, await server.bundles.show('spiffe'))
  expect(grown.x509.authorities).toHaveLength(2)
  expect(grown.replaces(bundle)).toBe(true)
  expect(bundle.sequence === null || bundle.replaces(grown)).toBe(bundle.sequence === null)
})

test('what is read of SPIRE and written again is what SPIRE reads, and shows again', async () => {
  const bundle = Bundle.parse(FOREIGN, await other.bundles.show('spiffe'))
  await server.bundles.set('b.test', bundle.stringify())
  const shown = Bundle.parse(FOREIGN, await server.bundles.list('b.test'))
  expect(shown.x509.equals(bundle.x509)).toBe(true)
  expect(shown.jwt.equals(bundle.jwt)).toBe(true)
  const own = Bundle.parse(HOME, await server.bundles.show('spiffe'))
  const map = parseBundleMap(stringifyBundleMap(BundleSet.of(own, bundle)))
  expect(map.get(HOME)?.jwt.equals(own.jwt)).toBe(true)
})

test('SPIRE takes a bundle of ours with keys of every type, and shows the same authorities', async () => {
  const trustDomain = TrustDomain.parse('ours.test')
  const certificates: Certificate[] = []
  const jwtAuthorities: JwtAuthority[] = []
  for (const keyType of ['ec-p256', 'ec-p384', 'rsa-2048'] as const) {
    await using authority = await Authority.create({ trustDomain, keyType, jwtKeyType: keyType })
    certificates.push(...authority.bundle.authorities)
    jwtAuthorities.push(...authority.jwt.bundle.authorities)
  }
  const bundle = Bundle.of(trustDomain, {
    x509: X509Bundle.of(trustDomain, certificates),
    jwt: JwtBundle.of(trustDomain, jwtAuthorities),
    sequence: 2n ** 53n + 1n,
    refreshHintMs: 60_000,
  })
  await server.bundles.set('ours.test', bundle.stringify())
  const shown = Bundle.parse(trustDomain, await server.bundles.list('ours.test'))
  expect(shown.ignored).toEqual([])
  expect(shown.x509.equals(bundle.x509)).toBe(true)
  expect(shown.jwt.equals(bundle.jwt)).toBe(true)
  expect([shown.sequence, shown.refreshHintMs]).toEqual([2n ** 53n + 1n, 60_000])
})
