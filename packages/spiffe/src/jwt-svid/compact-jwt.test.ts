import { expect, test } from '@jest/globals'
import { readCompactJwt } from './compact-jwt.ts'

const OBJECT = Buffer.from('{}').toString('base64url')
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

test('a part is taken exactly if it is what encoding its octets gives', () => {
  const digits = Array.from(DIGITS)
  const pairs = digits.flatMap((one) => digits.map((other) => one + other))
  const tails = [...digits, ...pairs]
  for (const tail of [
    ...tails,
    ...tails.map((each) => `x${each}`),
    ...tails.map((each) => `xx${each}`),
  ]) {
    const isExact = Buffer.from(tail, 'base64url').toString('base64url') === tail
    const read = readCompactJwt(`${OBJECT}.${OBJECT}.${tail}`)
    expect([tail, typeof read === 'object']).toEqual([tail, isExact])
  }
})
