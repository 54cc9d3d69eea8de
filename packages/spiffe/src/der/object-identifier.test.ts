import { expect, test } from '@jest/globals'
import { reading, refusesDer } from './der.test.support.ts'
import { readObjectIdentifier } from './object-identifier.ts'

test.each([
  ['06 03 55 1d 11', '2.5.29.17'],
  ['06 09 2a 86 48 86 f7 0d 01 01 0b', '1.2.840.113549.1.1.11'],
  ['06 01 27', '0.39'],
  ['06 01 28', '1.0'],
  ['06 01 4f', '1.39'],
  ['06 01 50', '2.0'],
  ['06 02 88 37', '2.999'],
  ['06 08 2b ff ff ff ff ff ff 7f', '1.3.562949953421311'],
  [
    '06 13 69 83 c9 e0 f0 f8 fc fe ff ff ff ff ff ff ff ff ff ff 7f',
    '2.25.2376809680734433689376149098945576959',
  ],
])('%s is %s', (hex, text) => {
  expect(readObjectIdentifier(reading(hex))).toBe(text)
})

test.each([
  ['an empty one', '06 00'],
  ['one that ends within an arc', '06 02 2a 86'],
  ['an arc with a leading zero', '06 03 2a 80 01'],
  ['a first arc with a leading zero', '06 02 80 2a'],
  ['one of 65 octets', `06 41 ${'2a'.repeat(65)}`],
])('%s is refused', (_, hex) => {
  refusesDer(() => readObjectIdentifier(reading(hex)))
})
