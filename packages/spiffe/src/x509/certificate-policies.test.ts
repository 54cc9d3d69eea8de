import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, TAG } from '../der/tags.ts'
import { Certificate } from './certificate.ts'
import type { Extensions } from './extensions.ts'
import { extension, forge, leafExtensions, NULL, oid, refuses } from './x509.test.support.ts'

const ANY = oid('2.5.29.32.0')
const A = oid('1.3.6.1.4.1.99999.1')
const B = oid('1.3.6.1.4.1.99999.2')
const sequence = (...parts: readonly (Buffer | string)[]): Buffer => tlv(TAG.sequence, ...parts)
const integer = (hex: string, tag: number = TAG.integer): Buffer =>
  tlv(tag, Buffer.from(hex, 'hex'))

const POLICIES = '2.5.29.32'
const MAPPINGS = '2.5.29.33'
const CONSTRAINTS = '2.5.29.36'
const INHIBIT = '2.5.29.54'

const read = (type: string, value: Buffer, critical = true): Extensions =>
  Certificate.fromDer(
    forge({ extensions: [...leafExtensions(), extension(type, critical, value)] }),
  ).extensions

const cps = sequence(oid('1.3.6.1.5.5.7.2.1'), tlv(TAG.ia5String, 'https://example.org/cps'))
const notice = sequence(oid('1.3.6.1.5.5.7.2.2'), sequence(tlv(TAG.utf8String, 'notice')))

describe('certificate policies', () => {
  test.each<[string, Buffer, string[]]>([
    ['one', sequence(sequence(A)), ['1.3.6.1.4.1.99999.1']],
    ['two', sequence(sequence(B), sequence(A)), ['1.3.6.1.4.1.99999.2', '1.3.6.1.4.1.99999.1']],
    ['anyPolicy', sequence(sequence(ANY)), ['2.5.29.32.0']],
    ['with qualifiers', sequence(sequence(A, sequence(cps, notice))), ['1.3.6.1.4.1.99999.1']],
    [
      'with a qualifier that nobody knows',
      sequence(sequence(A, sequence(sequence(B, NULL)))),
      ['1.3.6.1.4.1.99999.1'],
    ],
  ])('%s', (_, value, policies) => {
    for (const critical of [true, false]) {
      const { certificatePolicies, unknownCritical } = read(POLICIES, value, critical)
      expect(certificatePolicies).toEqual({ critical, value: policies })
      expect(Object.isFrozen(certificatePolicies?.value)).toBe(true)
      expect(unknownCritical).toEqual([])
    }
  })

  test.each<[string, Buffer]>([
    ['none', sequence()],
    ['no list', A],
    ['without an identifier', sequence(sequence())],
    ['one twice (RFC 5280 §4.2.1.4)', sequence(sequence(A), sequence(B), sequence(A))],
    ['one twice, with other qualifiers', sequence(sequence(A), sequence(A, sequence(cps)))],
    ['anyPolicy twice', sequence(sequence(ANY), sequence(ANY))],
    ['no qualifier in their list', sequence(sequence(A, sequence()))],
    ['a qualifier without a value', sequence(sequence(A, sequence(sequence(B))))],
    ['a qualifier with two values', sequence(sequence(A, sequence(sequence(B, NULL, NULL))))],
    ['a qualifier that is no DER', sequence(sequence(A, sequence(sequence(B, sequence('x')))))],
    ['something behind the qualifiers', sequence(sequence(A, sequence(cps), NULL))],
    ['something behind the list', Buffer.concat([sequence(sequence(A)), NULL])],
  ])('%s: refused', (_, value) => {
    for (const critical of [true, false]) {
      refuses('invalid-certificate', () => read(POLICIES, value, critical))
    }
  })
})

describe('policy mappings', () => {
  test('are pairs, in order', () => {
    const { policyMappings } = read(MAPPINGS, sequence(sequence(A, B), sequence(B, A)))
    const [a, b] = ['1.3.6.1.4.1.99999.1', '1.3.6.1.4.1.99999.2']
    expect(policyMappings).toEqual({
      critical: true,
      value: [
        { issuerPolicy: a, subjectPolicy: b },
        { issuerPolicy: b, subjectPolicy: a },
      ],
    })
    expect(Object.isFrozen(policyMappings?.value)).toBe(true)
  })

  test.each<[string, Buffer]>([
    ['none', sequence()],
    ['from anyPolicy (RFC 5280 §4.2.1.5)', sequence(sequence(ANY, A))],
    ['to anyPolicy (RFC 5280 §4.2.1.5)', sequence(sequence(A, B), sequence(A, ANY))],
    ['from anyPolicy to itself', sequence(sequence(ANY, ANY))],
    ['half a pair', sequence(sequence(A))],
    ['three of a pair', sequence(sequence(A, B, A))],
  ])('%s: refused', (_, value) => {
    for (const critical of [true, false]) {
      refuses('invalid-certificate', () => read(MAPPINGS, value, critical))
    }
  })
})

describe('policy constraints', () => {
  test.each<[string, Buffer[], number | undefined, number | undefined]>([
    ['an explicit policy', [integer('00', contextTag(0))], 0, undefined],
    ['no mappings', [integer('05', contextTag(1))], undefined, 5],
    ['both', [integer('01', contextTag(0)), integer('00', contextTag(1))], 1, 0],
    [
      'of any size',
      [integer('010000000000000000', contextTag(0))],
      Number.MAX_SAFE_INTEGER,
      undefined,
    ],
  ])('%s', (_, parts, requireExplicitPolicy, inhibitPolicyMapping) => {
    expect(read(CONSTRAINTS, sequence(...parts)).policyConstraints).toEqual({
      critical: true,
      value: { requireExplicitPolicy, inhibitPolicyMapping },
    })
  })

  test.each<[string, Buffer]>([
    ['none', sequence()],
    ['one of another kind', sequence(integer('00', contextTag(2)))],
    ['in the wrong order', sequence(integer('00', contextTag(1)), integer('00', contextTag(0)))],
    ['one twice', sequence(integer('00', contextTag(0)), integer('00', contextTag(0)))],
    ['a negative number', sequence(integer('ff', contextTag(0)))],
    ['a padded number', sequence(integer('0000', contextTag(1)))],
    ['a number without octets', sequence(integer('', contextTag(0)))],
    ['a plain INTEGER', sequence(integer('00'))],
  ])('%s: refused', (_, value) => {
    for (const critical of [true, false]) {
      refuses('invalid-certificate', () => read(CONSTRAINTS, value, critical))
    }
  })
})

describe('inhibit anyPolicy', () => {
  test.each<[string, number]>([
    ['00', 0],
    ['7f', 127],
    ['010000000000000000', Number.MAX_SAFE_INTEGER],
  ])('%s', (hex, value) => {
    expect(read(INHIBIT, integer(hex)).inhibitAnyPolicy).toEqual({ critical: true, value })
  })

  test.each([
    ['negative', integer('ff')],
    ['padded', integer('0001')],
    ['without octets', integer('')],
    ['in a list', sequence(integer('00'))],
  ])('%s: refused', (_, value) => {
    for (const critical of [true, false]) {
      refuses('invalid-certificate', () => read(INHIBIT, value, critical))
    }
  })
})
