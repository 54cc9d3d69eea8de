import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { BundleSet } from '../bundle/bundle-set.ts'
import { X509Bundle } from '../x509/bundle.ts'
import type { Certificate } from '../x509/certificate.ts'
import { RevocationList } from '../x509/revocation-list.ts'
import { forgeList } from '../x509/revocation-list.test.support.ts'
import { commonName, extension, leafExtensions, oid, uriName } from '../x509/x509.test.support.ts'
import { certify, party, selfSigned, svid, trusting, verdict } from './authorities.test.support.ts'
import { RevocationPolicies, type RevocationPolicy } from './revocation-policy.ts'

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

const root = party('root')
const middle = party('middle')

const dnsName = (text: string): Buffer => tlv(contextTag(2), text)
const emailName = (text: string): Buffer => tlv(contextTag(1), text)
const ipName = (hex: string): Buffer => tlv(contextTag(7), Buffer.from(hex, 'hex'))
const registeredId: Buffer = tlv(contextTag(8), Buffer.from('2a03', 'hex'))

const alternativeNames = (...names: Buffer[]): Buffer =>
  extension('2.5.29.17', false, tlv(TAG.sequence, ...names))

/** Critical constraints of one list. */
const constraints = (list: 'permitted' | 'excluded', ...bases: Buffer[]): Buffer => {
  const subtrees = bases.map((base) => tlv(TAG.sequence, base))
  const tag = contextTagConstructed(list === 'permitted' ? 0 : 1)
  return extension('2.5.29.30', true, tlv(TAG.sequence, tlv(tag, ...subtrees)))
}

/** What a leaf with that SPIFFE ID and those other names gets below an authority with that extension. */
const below = (more: Buffer, uri = 'spiffe://example.org/web', ...names: Buffer[]): string => {
  const extensions = [...leafExtensions(uri).slice(0, 2), alternativeNames(uriName(uri), ...names)]
  const anchor = selfSigned(root, { more: [more] })
  return verdict([svid(root, { draft: { extensions } })], trusting(anchor))
}

/** What a good leaf gets behind an intermediate with that extension. */
const behind = (more: Buffer): string => {
  const sent = [svid(middle), certify(middle, root, { more: [more] })]
  return verdict(sent, trusting(selfSigned(root)))
}

const purposes = (...types: string[]): Buffer =>
  extension('2.5.29.37', true, tlv(TAG.sequence, ...types.map(oid)))

describe('an intermediate', () => {
  test('whose critical extended key usage has one purpose of the two is refused', () => {
    expect(behind(purposes(SERVER_AUTH, CLIENT_AUTH))).toBe('accepted')
    expect(behind(purposes(SERVER_AUTH))).toBe('extended-key-usage')
    expect(behind(purposes(CLIENT_AUTH))).toBe('extended-key-usage')
  })

  test('has a SPIFFE ID only where its URI begins like one', () => {
    expect(behind(alternativeNames(uriName('spiffe://other.test')))).toBe('issuer-id-foreign')
    const linked = uriName('https://example.org/?next=spiffe://other.test')
    expect(behind(alternativeNames(linked))).toBe('accepted')
  })

  test('without alternative names keeps what its issuer demands of names', () => {
    const anchor = selfSigned(root, { more: [constraints('permitted', uriName('example.org'))] })
    expect(verdict([svid(middle), certify(middle, root)], trusting(anchor))).toBe('accepted')
  })
})

/** What a good leaf gets behind an intermediate with that URI, below an authority with those constraints. */
const beside = (more: Buffer, uri: string): string => {
  const intermediate = certify(middle, root, { more: [alternativeNames(uriName(uri))] })
  return verdict([svid(middle), intermediate], trusting(selfSigned(root, { more: [more] })))
}

describe('name constraints', () => {
  test('of a kind that is not supported are refused beside those of one that is', () => {
    const hosts = uriName('example.org')
    expect(below(constraints('permitted', hosts))).toBe('accepted')
    expect(below(constraints('permitted', hosts, registeredId))).toBe('name-constraints')
  })

  test('of URIs find the host where it is, and nowhere else', () => {
    const hosts = constraints('permitted', uriName('example.org'))
    expect(beside(hosts, 'https://example.org:8443/a')).toBe('accepted')
    expect(beside(hosts, 'urn:x:https://example.org/a')).toBe('name-constraints')
    expect(beside(hosts, 'https://exam:80ple.org/a')).toBe('name-constraints')
  })

  test('of one kind leave names of another alone, even those that no constraint could cover', () => {
    const address = 'https://10.0.0.1/a'
    expect(beside(constraints('excluded', dnsName('other.org')), address)).toBe('accepted')
    expect(beside(constraints('permitted', dnsName('other.org')), address)).toBe('accepted')
    expect(beside(constraints('excluded', uriName('other.org')), address)).toBe('name-constraints')
  })

  test('of DNS names take an asterisk for a wildcard only as the first label', () => {
    const other = constraints('excluded', dnsName('other.org'))
    const uri = 'spiffe://example.org/web'
    expect(below(other, uri, dnsName('*.example.org'))).toBe('accepted')
    expect(below(other, uri, dnsName('a*.example.org'))).toBe('name-constraints')
  })

  test('exclude the host that they name, and not its neighbour of one letter', () => {
    const a = constraints('excluded', dnsName('a.example.org'))
    const uri = 'spiffe://example.org/web'
    expect(below(a, uri, dnsName('b.example.org'))).toBe('accepted')
    expect(below(a, uri, dnsName('a.example.org'))).toBe('name-constraints')
    expect(below(a, uri, dnsName('*.example.org'))).toBe('name-constraints')
  })

  test.each([
    ['a DNS name with a space', dnsName('exa mple.org')],
    ['a mailbox without a host', emailName('web@')],
    ['a mask with a hole', ipName('0a000000ff0f0000')],
    ['a mask that begins with zeros', ipName('0a0000000fffffff')],
  ])('are refused for %s, though the leaf has no such name', (_, base) => {
    expect(below(constraints('excluded', base))).toBe('name-constraints')
  })
})

test('a revoked intermediate does not stand before another of its name and key', () => {
  const upper = party('upper')
  const lower = party('lower')
  const certified = (serial: number): Certificate =>
    certify(lower, upper, { draft: { serialNumber: Buffer.from([0x02, 0x01, serial]) } })
  const list = RevocationList.fromDer(
    forgeList({ keys: upper.keys, issuer: commonName('upper'), revoked: ['0a'] }),
  )
  const bundle = X509Bundle.of(TrustDomain.parse('example.org'), [selfSigned(root)], [list])
  const leaf = svid(lower)
  const path = (...lowers: Certificate[]): string =>
    verdict([leaf, ...lowers, certify(upper, root)], BundleSet.of(bundle))
  const [revoked, good] = [certified(0x0a), certified(0x0b)]
  expect(path(revoked)).toBe('revoked')
  expect(path(good)).toBe('accepted')
  expect(path(revoked, good)).toBe('accepted')
  expect(path(good, revoked)).toBe('accepted')
})

describe('the budget', () => {
  test('is enough when it is just enough', () => {
    const chain = [svid(middle), certify(middle, root)]
    const bundles = trusting(selfSigned(root))
    const maxBytes = chain.reduce((sum, { raw }) => sum + raw.length, 0)
    expect(verdict(chain, bundles, { maxBytes })).toBe('accepted')
    expect(verdict(chain, bundles, { maxBytes: maxBytes - 1 })).toBe('too-many-bytes')
  })
})

const keyOf = (trustDomains: Record<string, RevocationPolicy>): string =>
  RevocationPolicies.of({ trustDomains }).key

test('revocation policies are distinguished by what they say of each trust domain', () => {
  const keys = [keyOf({}), keyOf({ 'a.test': 'off' }), keyOf({ 'a.test': 'strict' })]
  expect(new Set([...keys, keyOf({ 'b.test': 'off' })]).size).toBe(4)
  const both = { 'a.test': 'off', 'b.test': 'strict' } as const
  expect(keyOf(both)).toBe(keyOf({ 'b.test': 'strict', 'a.test': 'off' }))
})
