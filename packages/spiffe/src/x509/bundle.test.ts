import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { TAG } from '../der/tags.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { X509Bundle } from './bundle.ts'
import { Certificate } from './certificate.ts'
import { writePem } from './pem.ts'
import { RevocationList } from './revocation-list.ts'
import { forgeList, utcTime } from './revocation-list.test.support.ts'
import { commonName, extension, forge, newKeyPair, refuses } from './x509.test.support.ts'

const keys = newKeyPair()
const a = forge({ subjectKeys: keys, subject: commonName('a') })
const sameName = forge({ subjectKeys: keys, subject: commonName('A') })
const b = forge({ subjectKeys: keys, subject: commonName('b') })
const domain = TrustDomain.parse('example.org')
const bundleOf = (...ders: Buffer[]): X509Bundle =>
  X509Bundle.of(
    domain,
    ders.map((der) => Certificate.fromDer(der)),
  )

describe('a bundle', () => {
  test('is read from DER and from PEM, each authority once and in order', () => {
    const bundle = X509Bundle.fromDer(domain, Buffer.concat([a, b, a]))
    expect(bundle.authorities.map(({ raw }) => raw.equals(a))).toEqual([true, false])
    const pem = [a, b].map((der) => writePem('CERTIFICATE', der)).join('')
    expect(X509Bundle.fromPem(domain, pem).equals(bundle)).toBe(true)
    const twice = bundle.authorities[0]!
    expect(X509Bundle.of(domain, [twice, twice]).authorities).toHaveLength(1)
  })

  test('may be empty', () => {
    expect(X509Bundle.fromDer(domain, new Uint8Array(0)).authorities).toEqual([])
  })

  test('has what it holds, octet for octet', () => {
    const bundle = bundleOf(a)
    expect(bundle.has(Certificate.fromDer(a))).toBe(true)
    expect(bundle.has(Certificate.fromDer(sameName))).toBe(false)
    expect(bundleOf(a, sameName, b).named(Certificate.fromDer(a).subject)).toHaveLength(2)
  })

  test('equals one with the same authorities in another order', () => {
    expect(bundleOf(a, b).equals(bundleOf(b, a))).toBe(true)
    expect(bundleOf(a, b).equals(bundleOf(a))).toBe(false)
    expect(bundleOf(a).equals(bundleOf(b))).toBe(false)
    const elsewhere = X509Bundle.of(TrustDomain.parse('other.org'), [Certificate.fromDer(a)])
    expect(bundleOf(a).equals(elsewhere)).toBe(false)
  })

  test('is frozen', () => {
    const list = [Certificate.fromDer(a)]
    const bundle = X509Bundle.of(domain, list)
    list.push(Certificate.fromDer(b))
    expect(bundle.authorities).toHaveLength(1)
    expect(Object.isFrozen(bundle) && Object.isFrozen(bundle.authorities)).toBe(true)
  })

  test('is refused when a part of it cannot be read', () => {
    for (const junk of [Buffer.from([0]), Buffer.from('30020000', 'hex'), b.subarray(0, -1)]) {
      refuses('invalid-bundle', () => X509Bundle.fromDer(domain, Buffer.concat([a, junk])))
    }
    refuses('invalid-bundle', () => X509Bundle.fromPem(domain, '-----BEGIN CERTIFICATE-----\n'))
  })
})

const listOf = (issuer: string, thisUpdate: string, ...revoked: string[]): RevocationList =>
  RevocationList.fromDer(
    forgeList({ keys, issuer: commonName(issuer), thisUpdate: utcTime(thisUpdate), revoked }),
  )

describe('the revocation lists of a bundle', () => {
  const older = listOf('a', '250101000000')
  const newer = listOf('A', '250201000000', '01')
  const another = listOf('b', '250301000000')

  test('are found by the name of their issuer, the latest first, each once', () => {
    const bundle = bundleOf(a).withRevocationLists([older, newer, another, older])
    expect(bundle.revocationLists).toEqual([another, newer, older])
    expect(bundle.revocationListsOf(Certificate.fromDer(a).subject)).toEqual([newer, older])
    expect(bundle.revocationListsOf(Certificate.fromDer(a).issuer)).toEqual([])
    expect(Object.isFrozen(bundle.revocationLists)).toBe(true)
  })

  test('replace those that the bundle had, and leave it as it was', () => {
    const bundle = X509Bundle.of(domain, [Certificate.fromDer(a)], [older])
    const changed = bundle.withRevocationLists([newer])
    expect(bundle.revocationLists).toEqual([older])
    expect(changed.revocationLists).toEqual([newer])
    expect(changed.authorities).toEqual(bundle.authorities)
  })

  test('make it another bundle when they change', () => {
    const bundle = bundleOf(a)
    const [one, twin] = [bundle, bundle].map((each) => each.withRevocationLists([older, newer]))
    expect(one!.equals(twin!)).toBe(true)
    expect(one!.equals(bundle.withRevocationLists([newer, older]))).toBe(true)
    expect(one!.equals(bundle)).toBe(false)
    expect(bundle.equals(one!)).toBe(false)
    expect(one!.equals(bundle.withRevocationLists([older, another]))).toBe(false)
  })
})

test('of revocation lists of the same second the one with the larger number comes first', () => {
  const numbered = (hex: string): RevocationList => {
    const number = tlv(TAG.integer, Buffer.from(hex, 'hex'))
    const extensions = [extension('2.5.29.20', false, number)]
    return RevocationList.fromDer(forgeList({ keys, extensions }))
  }
  const [small, large] = [numbered(`0f${'00'.repeat(19)}`), numbered(`0f${'00'.repeat(18)}01`)]
  const without = RevocationList.fromDer(forgeList({ keys }))
  const bundle = X509Bundle.of(domain, [], [without, small, large])
  expect(bundle.revocationLists).toEqual([large, small, without])
})
