import { describe, expect, test } from '@jest/globals'
import { bytes, reading, refusesDer } from './der.test.support.ts'
import {
  readBitString,
  readBoolean,
  readCount,
  readFlag,
  readInteger,
  readOctetAlignedBitString,
  readSmallInteger,
  readWhole,
} from './values.ts'

describe('a BOOLEAN', () => {
  test('is ff or 00', () => {
    expect(readBoolean(reading('01 01 ff'))).toBe(true)
    expect(readBoolean(reading('01 01 00'))).toBe(false)
  })

  test.each(['01 01 01', '01 01 7f', '01 01 fe', '01 00', '01 02 ff ff'])('is not %s', (hex) => {
    refusesDer(() => readBoolean(reading(hex)))
  })

  test('with a default of FALSE may be left out or spelled out', () => {
    expect(readFlag(reading('02 01 00'))).toBe(false)
    expect(readFlag(reading('01 01 00'))).toBe(false)
    expect(readFlag(reading('01 01 ff'))).toBe(true)
    refusesDer(() => readFlag(reading('01 01 01')))
  })
})

describe('an INTEGER', () => {
  test.each([
    ['02 01 00', 0],
    ['02 01 7f', 127],
    ['02 02 00 80', 128],
    ['02 04 7f ff ff ff', 2_147_483_647],
  ])('%s is %d', (hex, value) => {
    expect(readSmallInteger(reading(hex))).toBe(value)
  })

  test.each(['02 00', '02 02 00 7f', '02 02 00 00', '02 02 ff 80', '02 02 ff ff'])(
    'is not written %s',
    (hex) => refusesDer(() => readInteger(reading(hex))),
  )

  test('that is negative keeps its octets', () => {
    expect([...readInteger(reading('02 02 ff 7f'))]).toEqual([0xff, 0x7f])
  })

  test('that is negative or large is not a small one', () => {
    refusesDer(() => readSmallInteger(reading('02 01 ff')))
    refusesDer(() => readSmallInteger(reading('02 05 00 80 00 00 00')))
  })
})

describe('an INTEGER without an upper end', () => {
  test.each([
    ['02 01 00', 0],
    ['02 04 7f ff ff ff', 2_147_483_647],
    ['02 05 00 80 00 00 00', 2_147_483_648],
    ['02 05 01 00 00 00 00', 4_294_967_296],
    ['02 07 1f ff ff ff ff ff ff', Number.MAX_SAFE_INTEGER],
    ['02 07 20 00 00 00 00 00 00', Number.MAX_SAFE_INTEGER],
    ['02 09 00 80 00 00 00 00 00 00 00', Number.MAX_SAFE_INTEGER],
    [`02 81 c8 7f${' ff'.repeat(199)}`, Number.MAX_SAFE_INTEGER],
  ])('%s is %d', (hex, value) => {
    expect(readCount(reading(hex))).toBe(value)
  })

  test.each([
    ['negative', '02 01 ff'],
    ['negative and long', '02 05 80 00 00 00 00'],
    ['padded', '02 02 00 01'],
    ['large and padded', '02 06 00 00 80 00 00 00'],
    ['empty', '02 00'],
  ])('is not %s', (_, hex) => {
    refusesDer(() => readCount(reading(hex)))
  })
})

describe('a BIT STRING', () => {
  test('keeps the bits that are used', () => {
    expect([...readBitString(reading('03 02 05 a0'))]).toEqual([0xa0])
    expect([...readBitString(reading('03 01 00'))]).toEqual([])
  })

  test.each([
    ['without its first octet', '03 00'],
    ['with eight unused bits', '03 02 08 00'],
    ['with unused bits and no octets', '03 01 01'],
    ['with an unused bit that is set', '03 02 05 a1'],
  ])('%s is refused', (_, hex) => {
    refusesDer(() => readBitString(reading(hex)))
  })

  test('of octets has no unused bits', () => {
    expect([...readOctetAlignedBitString(reading('03 02 00 a1'))]).toEqual([0xa1])
    refusesDer(() => readOctetAlignedBitString(reading('03 02 01 a0')))
  })
})

test('a whole input that has more than one value is refused', () => {
  expect(readWhole(bytes('01 01 ff'), readBoolean)).toBe(true)
  refusesDer(() => readWhole(bytes('01 01 ff 00'), readBoolean))
})
