import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, TAG } from '../der/tags.ts'
import { Certificate } from './certificate.ts'
import {
  canonicalDnsName,
  canonicalIpAddress,
  presentedDnsName,
  SubjectAltNames,
} from './subject-alt-names.ts'
import { extension, forge, leafExtensions, newKeyPair, uriName } from './x509.test.support.ts'

const KEYS = newKeyPair()
const WEB = 'spiffe://example.org/web'
const dnsName = (text: string): Buffer => tlv(contextTag(2), Buffer.from(text, 'latin1'))
const ipName = (hex: string): Buffer => tlv(contextTag(7), Buffer.from(hex, 'hex'))

/** What is read of a certificate with these names. */
function namesOf(...names: readonly Buffer[]): SubjectAltNames | null {
  const extensions = [extension('2.5.29.17', false, tlv(TAG.sequence, ...names))]
  return SubjectAltNames.of(Certificate.fromDer(forge({ subjectKeys: KEYS, extensions })))
}

/** Whether a certificate that presents a DNS name is that of a host. */
const matches = (presented: string, host: string): boolean =>
  namesOf(dnsName(presented))!.hasDnsName(host)

describe('a DNS name (RFC 9525 §6.3)', () => {
  test('is matched whatever the case of the certificate', () => {
    expect(matches('db.example.org', 'db.example.org')).toBe(true)
    expect(matches('DB.Example.ORG', 'db.example.org')).toBe(true)
    expect(matches('xn--bcher-kva.example', 'xn--bcher-kva.example')).toBe(true)
    expect(matches('localhost', 'localhost')).toBe(true)
  })

  test('is matched as a whole', () => {
    for (const other of ['example.org', 'a.db.example.org', 'db.example.org.', 'db.example.or']) {
      expect(matches('db.example.org', other)).toBe(false)
    }
  })

  test('with a wildcard as its left-most label stands for exactly one label', () => {
    expect(matches('*.example.org', 'db.example.org')).toBe(true)
    expect(matches('*.EXAMPLE.org', 'db.example.org')).toBe(true)
    expect(matches('*.example.org', 'xn--bcher-kva.example.org')).toBe(true)
    for (const other of ['example.org', 'a.db.example.org', '.example.org', '', 'db.example.com']) {
      expect(matches('*.example.org', other)).toBe(false)
    }
  })

  test.each(['d*.example.org', '*b.example.org', 'db.*.org', '*.*.org', '**.example.org', '*'])(
    'with a wildcard in another place matches nothing: %s',
    (presented) => {
      expect(matches(presented, 'db.example.org')).toBe(false)
      expect(namesOf(dnsName(presented))!.dns).toEqual([])
    },
  )

  test('with a wildcard right below the root matches nothing', () => {
    expect(matches('*.org', 'example.org')).toBe(false)
    expect(matches('*.', 'example.')).toBe(false)
  })

  test('is not matched by a wildcard that is asked for', () => {
    expect(matches('*.example.org', '*.example.org')).toBe(false)
  })

  test.each([
    'db.example.org.',
    'db.example.org\0.evil.test',
    'db_1.example.org',
    '-db.example.org',
    'db-.example.org',
    'db..example.org',
    '',
    `${'a'.repeat(64)}.example.org`,
    `${'a.'.repeat(126)}org`,
  ])('that is no host matches nothing, itself included: %j', (presented) => {
    expect(namesOf(dnsName(presented))!.dns).toEqual([])
    expect(matches(presented, presented)).toBe(false)
  })

  test.each(['192.0.2.1', '1.2.3', 'a.0x7f', '*.0.2.1', 'example.1'])(
    'that ends in a number matches nothing: %s',
    (presented) => {
      expect(namesOf(dnsName(presented))!.dns).toEqual([])
      expect(matches(presented, presented.replace('*', '192'))).toBe(false)
    },
  )
})

describe('an IP address', () => {
  test('is matched by its octets', () => {
    const names = namesOf(ipName('c0000201'), ipName('20010db8000000000000000000000001'))!
    expect(names.ip).toEqual(['192.0.2.1', '2001:db8::1'])
    expect(names.hasIpAddress('192.0.2.1')).toBe(true)
    expect(names.hasIpAddress('2001:db8::1')).toBe(true)
    expect(names.hasIpAddress('192.0.2.2')).toBe(false)
    expect(names.hasIpAddress('2001:db8::2')).toBe(false)
  })

  test('of four octets is never one of sixteen, and the reverse', () => {
    const four = namesOf(ipName('c0000201'))!
    const mapped = namesOf(ipName('00000000000000000000ffffc0000201'))!
    const compatible = namesOf(ipName('000000000000000000000000c0000201'))!
    expect(mapped.ip).toEqual(['::ffff:c000:201'])
    expect(compatible.ip).toEqual(['::c000:201'])
    expect(four.hasIpAddress('::ffff:c000:201')).toBe(false)
    expect(mapped.hasIpAddress('192.0.2.1')).toBe(false)
    expect(compatible.hasIpAddress('192.0.2.1')).toBe(false)
  })

  test('is no DNS name, and a DNS name is no address', () => {
    expect(namesOf(ipName('c0000201'))!.hasDnsName('192.0.2.1')).toBe(false)
    expect(namesOf(dnsName('192.0.2.1'))!.hasIpAddress('192.0.2.1')).toBe(false)
    expect(namesOf(uriName('192.0.2.1'))!.hasIpAddress('192.0.2.1')).toBe(false)
  })
})

test('a URI is matched octet for octet', () => {
  const names = namesOf(uriName(WEB))!
  expect(names.uri).toEqual([WEB])
  expect(names.hasUri(WEB)).toBe(true)
  for (const other of [`${WEB}/`, 'spiffe://EXAMPLE.org/web', 'spiffe://example.org/%77eb']) {
    expect(names.hasUri(other)).toBe(false)
  }
  expect(names.hasDnsName('example.org')).toBe(false)
  expect(namesOf(dnsName('web.example.org'))!.hasUri('web.example.org')).toBe(false)
})

describe('the names of a certificate', () => {
  test('are none where it has no such extension', () => {
    const bare = Certificate.fromDer(
      forge({ subjectKeys: KEYS, extensions: leafExtensions().slice(0, 2) }),
    )
    expect(SubjectAltNames.of(bare)).toMatchObject({ dns: [], ip: [], uri: [] })
  })

  test('are listed once each, sorted and in lower case', () => {
    const names = namesOf(
      dnsName('b.example.org'),
      dnsName('A.example.org'),
      dnsName('a.example.org'),
    )
    expect(names!.dns).toEqual(['a.example.org', 'b.example.org'])
  })

  test('are not kept where there are more than 256', () => {
    const dns = Array.from({ length: 257 }, (_, index) => `n${index}.example.org`)
    const many = dns.map(dnsName)
    expect(namesOf(...many.slice(1))!.hasDnsName('n256.example.org')).toBe(true)
    expect(namesOf(...many)).toBeNull()
    expect(SubjectAltNames.from({ dns })).toBeNull()
  })

  test('can be made of texts, by the same rules', () => {
    const names = SubjectAltNames.from({
      dns: ['*.Example.org', 'd*.example.org'],
      ip: ['2001:DB8:0::1', '192.0.2.1', 'fe80::1%eth0', '192.0.2.0/24'],
      uri: [WEB],
    })!
    expect(names).toMatchObject({
      dns: ['*.example.org'],
      ip: ['192.0.2.1', '2001:db8::1'],
      uri: [WEB],
    })
    expect(names.hasDnsName('db.example.org')).toBe(true)
  })

  test('cannot be changed', () => {
    const names = namesOf(dnsName('a.example.org'))!
    expect([names, names.dns, names.ip, names.uri].every((it) => Object.isFrozen(it))).toBe(true)
  })
})

test('canonical forms are those of hosts and addresses alone', () => {
  expect(canonicalDnsName('DB.Example.ORG')).toBe('db.example.org')
  for (const text of [
    '*.example.org',
    'bücher.example',
    '\u212a.example',
    '\u017f.example',
    'a b',
    'a:1',
  ]) {
    expect(canonicalDnsName(text)).toBeUndefined()
  }
  expect(presentedDnsName('*.Example.org')).toBe('*.example.org')
  expect(canonicalIpAddress('::FFFF:192.0.2.1')).toBe('::ffff:c000:201')
  for (const text of ['01.2.3.4', '192.0.2', '[::1]', '::1%lo', '10.0.0.0/8', '3232235777', '']) {
    expect(canonicalIpAddress(text)).toBeUndefined()
  }
})
