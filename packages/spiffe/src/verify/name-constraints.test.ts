import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import { Certificate } from '../x509/certificate.ts'
import {
  commonName,
  extension,
  forge,
  leafExtensions,
  newKeyPair,
  uriName,
} from '../x509/x509.test.support.ts'
import { nameConstraintsFault } from './name-constraints.ts'

const keys = newKeyPair()
const dnsName = (name: string): Buffer => tlv(contextTag(2), name)

interface Lists {
  readonly permitted?: readonly Buffer[]
  readonly excluded?: readonly Buffer[]
  readonly critical?: boolean
}

function issuer({ permitted = [], excluded = [], critical = true }: Lists): Certificate {
  const subtrees = [permitted, excluded].flatMap((names, index) =>
    names.length === 0
      ? []
      : [tlv(contextTagConstructed(index), ...names.map((name) => tlv(TAG.sequence, name)))],
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

const allows = (lists: Lists, ...below: Certificate[]): boolean =>
  nameConstraintsFault(issuer(lists), below) === undefined

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
    ['', 'spiffe://example.org/a', true],
    ['example.org', 'https://user@example.org:8443/a', true],
    ['example.org', 'https://example.org@other.org/a', false],
    ['example.org', 'https://example.org', true],
    ['example.org', 'https://other.org?example.org/', false],
    ['example.org', 'urn:example.org', false],
    ['example.org', 'https://[::1]/a', false],
    ['spiffe://example.org', 'spiffe://example.org/a', false],
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

test('constraints of other kinds are refused when critical, and pass when not', () => {
  const good = named('spiffe://example.org/x')
  expect(allows({ permitted: [dnsName('example.org')] }, good)).toBe(false)
  expect(allows({ excluded: [dnsName('example.org')] }, good)).toBe(false)
  expect(allows({ permitted: [dnsName('example.org')], critical: false }, good)).toBe(true)
  const mixed = { permitted: [dnsName('example.org'), uriName('other.org')], critical: false }
  expect(allows(mixed, good)).toBe(false)
})
