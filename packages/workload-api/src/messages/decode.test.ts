import { describe, expect, test } from '@jest/globals'

import { workloadApiMethod } from '../channel/definition.ts'
import { decodeValidation } from './decode-jwt.ts'
import { decodeX509BundlesResponse, decodeX509SvidResponse } from './decode.ts'

const failing = (error: Error) => (): never => {
  throw error
}

describe.each([
  ['X509SVIDResponse', decodeX509SvidResponse],
  ['X509BundlesResponse', decodeX509BundlesResponse],
])('a message of the type %s', (_type, decode) => {
  test.each([
    new RangeError('index out of range: 0 + 10 > 3'),
    new Error('invalid wire type 7 at offset 1'),
  ])('is called invalid where the decoder refuses it, without a word of it: %s', (error) => {
    const attempt = (): unknown => decode(Buffer.alloc(0), failing(error))
    expect(attempt).toThrow(expect.objectContaining({ code: 'invalid-message' }))
    expect(attempt).not.toThrow(error.message)
  })

  test.each([
    new TypeError('Reader.create is not a function'),
    new ReferenceError('Long is not defined'),
  ])('is not called invalid where the decoder itself is damaged: %s', (error) => {
    expect(() => decode(Buffer.alloc(0), failing(error))).toThrow(error)
  })
})

test('claims in which a field has no value are refused, and are no error of the decoder', () => {
  const { responseDeserialize } = workloadApiMethod('ValidateJWTSVID')
  // `claims` (2) with an entry of `fields` (1) that has a key (1) alone.
  const message = Buffer.from([0x12, 0x05, 0x0a, 0x03, 0x0a, 0x01, 0x61])
  const decoding = (): unknown => decodeValidation(message, responseDeserialize)
  expect(decoding).toThrow(expect.objectContaining({ code: 'invalid-message' }))
})
