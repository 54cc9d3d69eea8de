import { describe, expect, test } from '@jest/globals'
import { TrustDomain } from '../id/spiffe-id.ts'
import { X509Bundle } from '../x509/bundle.ts'
import { Certificate } from '../x509/certificate.ts'
import { RevocationList } from '../x509/revocation-list.ts'
import { forgeList } from '../x509/revocation-list.test.support.ts'
import { commonName, forge, newKeyPair, refuses } from '../x509/x509.test.support.ts'
import { BundleSet } from './bundle-set.ts'

const keys = newKeyPair()
const a = forge({ subjectKeys: keys, subject: commonName('a') })
const b = forge({ subjectKeys: keys, subject: commonName('b') })
const domain = TrustDomain.parse('example.org')
const bundleOf = (...ders: Buffer[]): X509Bundle =>
  X509Bundle.of(
    domain,
    ders.map((der) => Certificate.fromDer(der)),
  )

describe('a set of bundles', () => {
  const other = X509Bundle.of(TrustDomain.parse('other.org'), [])

  test('keeps one bundle for each trust domain', () => {
    const set = BundleSet.of(bundleOf(a), other)
    expect(set.size).toBe(2)
    expect(set.get(other.trustDomain)).toBe(other)
    expect(set.get(TrustDomain.parse('third.org'))).toBeUndefined()
    expect([...set].map(({ trustDomain }) => trustDomain.name)).toEqual([
      'example.org',
      'other.org',
    ])
    refuses('duplicate-trust-domain', () => BundleSet.of(bundleOf(a), bundleOf(b)))
  })

  test('never changes: with and without give another', () => {
    const set = BundleSet.empty.with(bundleOf(a))
    expect(BundleSet.empty.size).toBe(0)
    expect(set.with(bundleOf(b)).get(domain)?.equals(bundleOf(b))).toBe(true)
    expect(set.get(domain)?.equals(bundleOf(a))).toBe(true)
    expect(set.without(domain).size).toBe(0)
    expect(set.without(other.trustDomain)).toBe(set)
    expect(set.size).toBe(1)
  })

  test('equals one with equal bundles in another order', () => {
    expect(BundleSet.of(bundleOf(a), other).equals(BundleSet.of(other, bundleOf(a)))).toBe(true)
    expect(BundleSet.of(bundleOf(a)).equals(BundleSet.of(other))).toBe(false)
    expect(BundleSet.of(bundleOf(a)).equals(BundleSet.of(bundleOf(b)))).toBe(false)
    expect(BundleSet.of(bundleOf(a)).equals(BundleSet.empty)).toBe(false)
  })

  test('differs when a revocation list does', () => {
    const list = RevocationList.fromDer(forgeList({ keys, issuer: commonName('a') }))
    const listed = (): X509Bundle => bundleOf(a).withRevocationLists([list])
    expect(BundleSet.of(listed()).equals(BundleSet.of(listed()))).toBe(true)
    expect(BundleSet.of(listed()).equals(BundleSet.of(bundleOf(a)))).toBe(false)
  })

  test.each(['__proto__', 'constructor', 'tostring', 'hasownproperty'])(
    'has nothing of the trust domain %s unless it is put there',
    (name) => {
      const trustDomain = TrustDomain.parse(name)
      expect(BundleSet.empty.get(trustDomain)).toBeUndefined()
      const bundle = X509Bundle.of(trustDomain, [])
      const set = BundleSet.of(bundle, other)
      expect(set.get(trustDomain)).toBe(bundle)
      expect(set.size).toBe(2)
    },
  )
})
