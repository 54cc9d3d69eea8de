import { describe, expect, test } from '@jest/globals'
import { refusesDer, tlv } from '../der/der.test.support.ts'
import { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { Name } from './name.ts'
import { name, oid } from './x509.test.support.ts'

const COMMON_NAME = '2.5.4.3'
const ORGANIZATION = '2.5.4.10'
const utf8 = (text: string): Buffer => tlv(TAG.utf8String, text)
const printable = (text: string): Buffer => tlv(TAG.printableString, text)
const address = (city: string): Buffer =>
  name(['2.5.4.16', tlv(TAG.sequence, utf8('Main Street 1'), utf8(city))])
const commonName = (text: string): Buffer => name([COMMON_NAME, utf8(text)])
const read = (der: Uint8Array): Name => Name.read(DerReader.of(der))

describe('two names are the same', () => {
  test.each([
    ['octet for octet', utf8('SPIFFE'), utf8('SPIFFE')],
    ['in another string type', utf8('SPIFFE'), printable('SPIFFE')],
    ['in another case', printable('Spiffe'), printable('sPIFFE')],
    ['in another case beyond ASCII', utf8('Österreich'), utf8('öSTERREICH')],
    ['with other white space', utf8('  a \t b '), utf8('a b')],
    ['in another composition', utf8('\u00e9'), utf8('e\u0301')],
    ['as IA5String in another case', tlv(TAG.ia5String, 'A'), tlv(TAG.ia5String, 'a')],
  ])('%s', (_, one, other) => {
    const names = [read(name([COMMON_NAME, one])), read(name([COMMON_NAME, other]))] as const
    expect(names[0].equals(names[1])).toBe(true)
    expect(names[0].key).toBe(names[1].key)
  })

  test('with the attributes of one relative name in another order', () => {
    const one = tlv(TAG.sequence, oid(COMMON_NAME), utf8('a'))
    const other = tlv(TAG.sequence, oid(ORGANIZATION), utf8('b'))
    const names = [
      read(tlv(TAG.sequence, tlv(TAG.set, one, other))),
      read(tlv(TAG.sequence, tlv(TAG.set, other, one))),
    ] as const
    expect(names[0].equals(names[1])).toBe(true)
  })
})

describe('a long value', () => {
  // Of 513 octets: to normalize tens of thousands of them takes half a second.
  const marks = `a${'\u0301'.repeat(256)}`

  test('that is not all ASCII is refused, since to compare it takes the square of its length', () => {
    refusesDer(() => read(commonName(marks)))
    expect(() => read(commonName(marks.slice(0, -1)))).not.toThrow()
  })

  test('of ASCII is compared like any other', () => {
    expect(read(commonName('A'.repeat(60_000))).equals(read(commonName('a'.repeat(60_000))))).toBe(
      true,
    )
  })
})

describe('two names are not the same', () => {
  const a = utf8('a')
  const b = utf8('b')
  test.each([
    ['with another value', name([COMMON_NAME, a]), name([COMMON_NAME, b])],
    ['with another attribute', name([COMMON_NAME, a]), name([ORGANIZATION, a])],
    [
      'in another order',
      name([COMMON_NAME, a], [ORGANIZATION, b]),
      name([ORGANIZATION, b], [COMMON_NAME, a]),
    ],
    ['with one more', name([COMMON_NAME, a]), name([COMMON_NAME, a], [COMMON_NAME, a])],
    [
      'when one value holds what separates',
      name([COMMON_NAME, utf8('a;2.5.4.10=1:b')]),
      name([COMMON_NAME, a], [ORGANIZATION, b]),
    ],
    [
      'by an octet that has no place in the type, though it folds to the other',
      name([COMMON_NAME, tlv(TAG.printableString, Buffer.from('a\u00b2', 'latin1'))]),
      name([COMMON_NAME, printable('a2')]),
    ],
    [
      'in a type that compares octet by octet',
      name([COMMON_NAME, tlv(0x14, 'a')]),
      name([COMMON_NAME, tlv(0x14, 'A')]),
    ],
    [
      'as one relative name or two',
      tlv(
        TAG.sequence,
        tlv(
          TAG.set,
          tlv(TAG.sequence, oid(COMMON_NAME), a),
          tlv(TAG.sequence, oid(ORGANIZATION), b),
        ),
      ),
      name([COMMON_NAME, a], [ORGANIZATION, b]),
    ],
  ])('%s', (_, one, other) => {
    expect(read(one).equals(read(other))).toBe(false)
  })
})

test('an attribute may be a sequence, as a postal address is', () => {
  expect(read(address('A')).equals(read(address('A')))).toBe(true)
  expect(read(address('A')).equals(read(address('B')))).toBe(false)
})

test('only a name without attributes is empty', () => {
  expect(read(tlv(TAG.sequence)).isEmpty).toBe(true)
  expect(read(name([COMMON_NAME, utf8('')])).isEmpty).toBe(false)
})

test.each([
  ['an empty relative name', tlv(TAG.sequence, tlv(TAG.set))],
  [
    'an attribute without a value',
    tlv(TAG.sequence, tlv(TAG.set, tlv(TAG.sequence, oid('2.5.4.3')))),
  ],
  ['an attribute with two values', name([COMMON_NAME, Buffer.concat([utf8('a'), utf8('b')])])],
  ['text that is not UTF-8', name([COMMON_NAME, tlv(TAG.utf8String, Buffer.from([0xc3, 0x28]))])],
  ['a sequence that holds no DER', name([COMMON_NAME, tlv(TAG.sequence, 'SPIFFE')])],
  ['a constructed string', name([COMMON_NAME, tlv(0x2c, utf8('a'))])],
])('%s is refused', (_, der) => {
  refusesDer(() => read(der))
})
