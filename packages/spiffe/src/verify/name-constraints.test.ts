import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import { Certificate } from '../x509/certificate.ts'
import {
  commonName,
  extension,
  forge,
  leafExtensions,
  name,
  newKeyPair,
  oid,
  uriName,
} from '../x509/x509.test.support.ts'
import { NameConstraintChecks } from './name-constraints.ts'

const keys = newKeyPair()
const dnsName = (text: string): Buffer => tlv(contextTag(2), text)
const emailName = (text: string): Buffer => tlv(contextTag(1), text)
const ipName = (hex: string): Buffer => tlv(contextTag(7), Buffer.from(hex, 'hex'))
const directoryName = (subject: Buffer): Buffer => tlv(contextTagConstructed(4), subject)
/** otherName { 1.2.3, [0] NULL } */
const otherName: Buffer = tlv(
  contextTagConstructed(0),
  oid('1.2.3'),
  tlv(contextTagConstructed(0), tlv(TAG.null)),
)

interface Lists {
  readonly permitted?: readonly Buffer[]
  readonly excluded?: readonly Buffer[]
  readonly critical?: boolean
}

/** A CA that constrains names; `after` stands behind the base of every subtree. */
function issuer(
  { permitted = [], excluded = [], critical = true }: Lists,
  after: Buffer = Buffer.alloc(0),
): Certificate {
  const subtrees = [permitted, excluded].flatMap((names, index) =>
    names.length === 0
      ? []
      : [tlv(contextTagConstructed(index), ...names.map((base) => tlv(TAG.sequence, base, after)))],
  )
  const constraints = extension('2.5.29.30', critical, tlv(TAG.sequence, ...subtrees))
  return Certificate.fromDer(forge({ subjectKeys: keys, extensions: [constraints] }))
}

function named(uri: string, selfIssued = false): Certificate {
  return Certificate.fromDer(
    forge({
      subjectKeys: keys,
      extensions: leafExtensions(uri),
      ...(selfIssued ? { issuer: commonName('self'), subject: commonName('self') } : {}),
    }),
  )
}

/** A certificate with that alternative name. */
function bearing(alternative: Buffer): Certificate {
  const extensions = [extension('2.5.29.17', false, tlv(TAG.sequence, alternative))]
  return Certificate.fromDer(forge({ subjectKeys: keys, extensions }))
}

const withSubject = (subject: Buffer): Certificate =>
  Certificate.fromDer(forge({ subjectKeys: keys, subject }))

const faultOf = (by: Certificate, ...below: Certificate[]): string | undefined =>
  new NameConstraintChecks().fault(by, below)

const organization = (text: string): readonly [string, Buffer] => [
  '2.5.4.10',
  tlv(TAG.utf8String, text),
]

const distance = (tag: number, ...octets: number[]): Buffer =>
  tlv(contextTag(tag), Buffer.from(octets))

const domains = (count: number): Certificate =>
  issuer({ excluded: Array.from({ length: count }, (_, index) => dnsName(`${index}.org`)) })

const allows = (lists: Lists, ...below: Certificate[]): boolean =>
  faultOf(issuer(lists), ...below) === undefined

describe('a permitted host', () => {
  test.each([
    ['example.org', 'spiffe://example.org/a', true],
    ['EXAMPLE.org', 'spiffe://example.org/a', true],
    ['example.org', 'spiffe://a.example.org/a', false],
    ['example.org', 'spiffe://myexample.org/a', false],
    ['.example.org', 'spiffe://a.example.org/a', true],
    ['.example.org', 'spiffe://a.b.example.org/a', true],
    ['.example.org', 'spiffe://example.org/a', false],
    ['.example.org', 'spiffe://myexample.org/a', false],
    ['', 'spiffe://example.org/a', false],
    ['example.org', 'https://user@example.org:8443/a', true],
    ['example.org', 'https://example.org@other.org/a', false],
    ['example.org', 'https://example.org', true],
    ['example.org', 'https://other.org?example.org/', false],
    ['example.org', 'urn:example.org', false],
    ['example.org', 'https://[::1]/a', false],
    ['spiffe://example.org', 'spiffe://example.org/a', false],
    ['10.0.0.1', 'spiffe://10.0.0.1/a', false],
    ['.0.0.1', 'spiffe://10.0.0.1/a', false],
    ['.0.0.1', 'https://10.0.0.1:80/a', false],
    ['.b', 'spiffe://a..b/a', false],
    ['.org', 'spiffe://example.org./a', false],
    ['.a', `spiffe://${'a'.repeat(253)}.a/a`, true],
    ['.a', `spiffe://${'a'.repeat(254)}.a/a`, false],
    ['example.org:443', 'https://example.org:443/a', false],
    ['user@example.org', 'https://user@example.org/a', false],
    ['..example.org', 'spiffe://a.example.org/a', false],
    ['under_score.org', 'spiffe://under_score.org/a', true],
  ])('%j and %s: %s', (base, uri, allowed) => {
    expect(allows({ permitted: [uriName(base)] }, named(uri))).toBe(allowed)
  })
})

describe('an excluded host', () => {
  test.each([
    ['example.org', 'spiffe://example.org/a', false],
    ['Example.ORG', 'spiffe://example.org/a', false],
    ['example.org', 'spiffe://a.example.org/a', true],
    ['.example.org', 'spiffe://a.example.org/a', false],
    ['.example.org', 'spiffe://example.org/a', true],
    ['', 'spiffe://example.org/a', false],
    ['other.org', 'urn:example', false],
    ['other.org/path', 'spiffe://example.org/a', false],
    ['example.org', 'spiffe://example.org./a', false],
    ['other.org', 'spiffe://10.0.0.1/a', false],
    ['org', 'spiffe://example.org/a', true],
    ['.org', 'spiffe://example.org/a', false],
  ])('%j and %s: %s', (base, uri, allowed) => {
    expect(allows({ excluded: [uriName(base)] }, named(uri))).toBe(allowed)
  })
})

test('excluded beats permitted', () => {
  const lists = { permitted: [uriName('.example.org')], excluded: [uriName('a.example.org')] }
  expect(allows(lists, named('spiffe://b.example.org/x'))).toBe(true)
  expect(allows(lists, named('spiffe://a.example.org/x'))).toBe(false)
})

test('one of several permitted hosts is enough', () => {
  const lists = { permitted: [uriName('a.org'), uriName('b.org')] }
  expect(allows(lists, named('spiffe://b.org/x'))).toBe(true)
  expect(allows(lists, named('spiffe://c.org/x'))).toBe(false)
})

test('intermediates are bound too, unless they are self-issued; the leaf always is', () => {
  const lists = { permitted: [uriName('example.org')] }
  const good = named('spiffe://example.org/x')
  expect(allows(lists, good, named('spiffe://example.org'))).toBe(true)
  expect(allows(lists, good, named('spiffe://other.org'))).toBe(false)
  expect(allows(lists, good, named('spiffe://other.org', true))).toBe(true)
  expect(allows(lists, named('spiffe://other.org/x', true))).toBe(false)
})

test('constraints of URIs bind even when they are not critical', () => {
  const lists = { permitted: [uriName('example.org')], critical: false }
  expect(allows(lists, named('spiffe://other.org/x'))).toBe(false)
})

describe('DNS names', () => {
  test.each([
    ['example.org', 'example.org', true],
    ['example.org', 'a.b.EXAMPLE.org', true],
    ['Example.org', 'a.example.org', true],
    ['example.org', 'myexample.org', false],
    ['.example.org', 'a.example.org', true],
    ['.example.org', 'example.org', false],
    ['', 'example.org', true],
    ['example.org', '*.example.org', true],
    ['a.example.org', '*.example.org', false],
    ['', 'example.org.', false],
    ['', '', false],
    ['', 'a..b', false],
    ['a..b', 'a..b', false],
    ['*.example.org', 'a.example.org', false],
  ])('%j permits %j: %s', (base, dns, allowed) => {
    expect(allows({ permitted: [dnsName(base)] }, bearing(dnsName(dns)))).toBe(allowed)
  })

  test.each([
    ['example.org', 'a.example.org', true],
    ['example.org', 'example.com', false],
    ['a.example.org', '*.example.org', true],
    ['b.a.example.org', '*.example.org', false],
    ['.a.example.org', '*.example.org', false],
    ['other.org', 'a..b', true],
  ])('%j excludes %j: %s', (base, dns, excluded) => {
    expect(allows({ excluded: [dnsName(base)] }, bearing(dnsName(dns)))).toBe(!excluded)
  })

  test('are not the common name', () => {
    expect(allows({ permitted: [dnsName('b.org')] }, withSubject(commonName('a.org')))).toBe(true)
  })
})

describe('IP addresses', () => {
  const net10 = '0a000000ff000000'
  const v6 = `20010db8${'00'.repeat(12)}`
  const net6 = `${v6}ffffffff${'00'.repeat(12)}`
  test.each([
    [net10, '0a010203', true],
    [net10, '0b010203', false],
    ['0a010203ff000000', '0a0f0f0f', true],
    ['0000000000000000', '0b010203', true],
    [net6, `20010db8${'ff'.repeat(12)}`, true],
    [net6, `20010db9${'00'.repeat(12)}`, false],
    [net10, v6, false],
    [net6, '0a010203', false],
  ])('%s permits %s: %s', (base, address, allowed) => {
    expect(allows({ permitted: [ipName(base)] }, bearing(ipName(address)))).toBe(allowed)
    expect(allows({ excluded: [ipName(base)] }, bearing(ipName(address)))).toBe(!allowed)
  })

  test.each([
    ['a mask with a hole', '0a000000ff00ff00'],
    ['a mask that begins with zeros', '0a00000000ffffff'],
    ['an address without a mask', '0a000000'],
    ['nothing', ''],
    ['half of an IPv6 network', `${v6}ffffffff`],
  ])('%s is refused, permitted or excluded', (_, base) => {
    const certificate = bearing(ipName('0a000001'))
    expect(allows({ permitted: [ipName(base)] }, certificate)).toBe(false)
    expect(allows({ excluded: [ipName(base)] }, certificate)).toBe(false)
  })
})

describe('mailboxes', () => {
  test.each([
    ['a@example.org', 'a@example.org', true],
    ['a@Example.org', 'a@EXAMPLE.org', true],
    ['a@example.org', 'A@example.org', false],
    ['a@example.org', 'b@example.org', false],
    ['example.org', 'a@example.org', true],
    ['example.org', 'a@b.example.org', false],
    ['.example.org', 'a@b.example.org', true],
    ['.example.org', 'a@example.org', false],
    ['example.org', '"b@other.org"@example.org', true],
    ['other.org', '"b@other.org"@example.org', false],
    ['', 'a@example.org', true],
    ['', 'example.org', false],
    ['', '@example.org', false],
    ['', 'a@', false],
    ['@example.org', 'a@example.org', false],
    ['a@b@', 'a@example.org', false],
  ])('%j permits %j: %s', (base, mailbox, allowed) => {
    expect(allows({ permitted: [emailName(base)] }, bearing(emailName(mailbox)))).toBe(allowed)
  })

  test('are looked for in the subject too', () => {
    const subject = name(
      ['2.5.4.3', tlv(TAG.utf8String, 'a')],
      ['1.2.840.113549.1.9.1', tlv(TAG.ia5String, 'a@other.org')],
    )
    expect(allows({ permitted: [emailName('other.org')] }, withSubject(subject))).toBe(true)
    expect(allows({ permitted: [emailName('example.org')] }, withSubject(subject))).toBe(false)
    expect(allows({ excluded: [emailName('other.org')] }, withSubject(subject))).toBe(false)
  })
})

describe('directory names', () => {
  const country = ['2.5.4.6', tlv(TAG.printableString, 'US')] as const
  const base = name(country, organization('SPIFFE'))
  test.each([
    ['the same', name(country, organization('SPIFFE')), true],
    ['in another case', name(country, organization('spiffe')), true],
    ['below', name(country, organization('SPIFFE'), organization('unit')), true],
    ['above', name(country), false],
    ['beside', name(country, organization('SPIFFE 2')), false],
    ['in another order', name(organization('SPIFFE'), country), false],
  ])('a subject that is %s', (_, subject, isInside) => {
    const [subtree, certificate] = [directoryName(base), withSubject(subject)]
    expect(allows({ permitted: [subtree] }, certificate)).toBe(isInside)
    expect(allows({ excluded: [subtree] }, certificate)).toBe(!isInside)
    const alternative = bearing(directoryName(subject))
    expect(allows({ excluded: [subtree] }, alternative)).toBe(!isInside)
  })

  test('an empty subject is not held against them, and an empty base holds all', () => {
    const empty = withSubject(tlv(TAG.sequence))
    expect(allows({ permitted: [directoryName(base)] }, empty)).toBe(true)
    const all = directoryName(tlv(TAG.sequence))
    expect(allows({ permitted: [all] }, withSubject(name(country)))).toBe(true)
    expect(allows({ excluded: [all] }, withSubject(name(country)))).toBe(false)
  })
})

test('names of a kind that is not constrained are free', () => {
  const lists = { permitted: [dnsName('b.org')], excluded: [ipName('0a000000ff000000')] }
  expect(allows(lists, named('spiffe://example.org/x'))).toBe(true)
  expect(allows(lists, bearing(dnsName('a.org')))).toBe(false)
})

test('constraints that are not critical bind as well', () => {
  for (const base of [uriName('b.org'), dnsName('b.org'), emailName('b.org')]) {
    const lists = { permitted: [base], critical: false }
    const names = [uriName('spiffe://a.org/x'), dnsName('a.org'), emailName('x@a.org')]
    expect(names.filter((alternative) => !allows(lists, bearing(alternative)))).toHaveLength(1)
  }
})

test('constraints of other kinds are refused when critical, and pass when not', () => {
  for (const certificate of [named('spiffe://example.org/x'), bearing(otherName)]) {
    expect(allows({ permitted: [otherName] }, certificate)).toBe(false)
    expect(allows({ excluded: [otherName] }, certificate)).toBe(false)
    expect(allows({ permitted: [otherName], critical: false }, certificate)).toBe(true)
  }
  const mixed = { permitted: [otherName, uriName('other.org')], critical: false }
  expect(allows(mixed, named('spiffe://example.org/x'))).toBe(false)
})

test('a constraint that cannot be read is refused, critical or not, whatever the names are', () => {
  for (const base of ['spiffe://example.org', '']) {
    for (const critical of [true, false]) {
      for (const list of ['permitted', 'excluded']) {
        const lists = { [list]: [uriName(base)], critical }
        expect(allows(lists, named('spiffe://example.org/x'))).toBe(false)
        expect(allows(lists, withSubject(commonName('a')))).toBe(false)
      }
    }
  }
})

test('a subtree has the minimum 0 and no maximum', () => {
  const lists = { permitted: [uriName('example.org')] }
  const good = named('spiffe://example.org/x')
  expect(faultOf(issuer(lists), good)).toBeUndefined()
  expect(faultOf(issuer(lists, distance(0, 0)), good)).toBeUndefined()
  expect(faultOf(issuer(lists, distance(0, 1)), good)).toBeDefined()
  expect(faultOf(issuer(lists, distance(0, 0, 0)), good)).toBeDefined()
  expect(faultOf(issuer(lists, distance(1, 0)), good)).toBeDefined()
  expect(faultOf(issuer(lists, distance(1, 5)), good)).toBeDefined()
})

test('names are compared with constraints a hundred thousand times at most, and once for each pair', () => {
  const names = Array.from({ length: 1000 }, (_, index) => dnsName(`${index}.example.org`))
  const many = Certificate.fromDer(
    forge({
      subjectKeys: keys,
      subject: tlv(TAG.sequence),
      extensions: [extension('2.5.29.17', true, tlv(TAG.sequence, ...names))],
    }),
  )
  const [hundred, more] = [domains(100), domains(101)]
  expect(faultOf(hundred, many)).toBeUndefined()
  expect(faultOf(more, many)).toBeDefined()
  const checks = new NameConstraintChecks()
  expect(checks.fault(hundred, [many])).toBeUndefined()
  expect(checks.fault(hundred, [many])).toBeUndefined()
  expect(checks.fault(domains(1), [many])).toBeDefined()
})
