import { describe, expect, test } from '@jest/globals'
import { bytes, refusesDer } from './der.test.support.ts'
import { DerReader } from './reader.ts'
import { TAG } from './tags.ts'

/** Sequences within sequences. */
function nested(levels: number): Buffer {
  let der = Buffer.from([0x30, 0])
  for (let level = 1; level < levels; level += 1) {
    der = Buffer.concat([Buffer.from([0x30, der.length]), der])
  }
  return der
}

function descend(levels: number): void {
  let reader = DerReader.of(nested(levels))
  for (let level = 0; level < levels; level += 1) reader = reader.enter(TAG.sequence)
}

describe('what DER is', () => {
  test('elements are read one after the other, as views on the input', () => {
    const input = bytes('30 06 02 01 05 04 01 ff')
    const reader = DerReader.of(input)
    const sequence = reader.enter(TAG.sequence)
    reader.end()
    const integer = sequence.content(TAG.integer)
    expect([...integer]).toEqual([5])
    expect(integer.buffer).toBe(input.buffer)
    expect([...sequence.element()]).toEqual([0x04, 0x01, 0xff])
    expect(sequence.isAtEnd).toBe(true)
  })

  test('lengths of 128 and more take as many octets as they need', () => {
    for (const [length, header] of [
      [127, '04 7f'],
      [128, '04 81 80'],
      [255, '04 81 ff'],
      [256, '04 82 01 00'],
      [65_536, '04 83 01 00 00'],
    ] as const) {
      const reader = DerReader.of(Buffer.concat([bytes(header), Buffer.alloc(length)]))
      expect(reader.content(TAG.octetString)).toHaveLength(length)
      reader.end()
    }
  })

  test('an optional element is passed over when another one is there', () => {
    const reader = DerReader.of(bytes('02 01 05'))
    expect(reader.enterIf(TAG.sequence)).toBeUndefined()
    expect(reader.contentIf(TAG.octetString)).toBeUndefined()
    expect(reader.contentIf(TAG.integer)).toHaveLength(1)
    expect(reader.contentIf(TAG.integer)).toBeUndefined()
  })
})

describe('what DER is not', () => {
  test.each([
    ['nothing at all', ''],
    ['an identifier without a length', '30'],
    ['an indefinite length', '30 80 00 00'],
    ['a length of one octet, written in two', '30 81 01 00'],
    ['a length of 127, written in two octets', `30 81 7f ${'00'.repeat(127)}`],
    ['a length with a leading zero', `30 82 00 80 ${'00'.repeat(128)}`],
    ['a length of five octets', '30 85 00 00 00 00 01 00'],
    ['the reserved length ff', `30 ff ${'00'.repeat(200)}`],
    ['a length that is cut off', '30 82 01'],
    ['a content that is cut off', '30 02 00'],
    ['a length near 2^32', '30 84 ff ff ff ff 00'],
    ['the reserved tag 00', '00 00'],
    ['a tag number of several octets', '3f 81 01 00'],
    ['a primitive sequence', '10 00'],
    ['a constructed octet string', '24 03 04 01 00'],
    ['a constructed printable string', '33 03 13 01 41'],
  ])('%s is refused', (_, input) => {
    refusesDer(() => DerReader.of(bytes(input)).element())
  })

  test('an element that is not the expected one is refused', () => {
    refusesDer(() => DerReader.of(bytes('02 01 05')).content(TAG.octetString))
    refusesDer(() => DerReader.of(bytes('02 01 05')).enter(TAG.sequence))
  })

  test('an element that is longer than its parent is refused', () => {
    const parent = DerReader.of(bytes('30 03 04 02 00 ff')).enter(TAG.sequence)
    refusesDer(() => parent.content(TAG.octetString))
  })

  test('octets after the end are refused', () => {
    const reader = DerReader.of(bytes('02 01 05 00'))
    reader.content(TAG.integer)
    refusesDer(() => reader.end())
  })

  test('nesting ends at sixteen levels', () => {
    descend(16)
    refusesDer(() => descend(17))
  })
})
