import { describe, expect, test } from '@jest/globals'
import { bytes, refusesDer } from './der.test.support.ts'
import { DerReader } from './reader.ts'
import { TAG } from './tags.ts'

describe('a length', () => {
  test('may take four octets', () => {
    const content = Buffer.alloc(0x01_00_00_00)
    const reader = DerReader.of(Buffer.concat([bytes('04 84 01 00 00 00'), content]))
    expect(reader.content(TAG.octetString)).toHaveLength(content.length)
    reader.end()
  })

  test('is not indefinite, even where 128 octets follow', () => {
    refusesDer(() => DerReader.of(bytes(`04 80 ${'00'.repeat(128)}`)).element())
  })
})

describe('a tag number of several octets', () => {
  test.each(['1f', '3f', '5f', '7f', '9f', 'bf', 'df', 'ff'])('is refused after %s', (first) => {
    refusesDer(() => DerReader.of(bytes(`${first} 01 00`)).element())
  })
})
