import { describe, expect, test } from '@jest/globals'

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
