import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { curveOfPoint } from './curve-point.ts'

const octets = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64url')

describe('a point', () => {
  test.each(['P-256', 'P-384', 'P-521'])(
    'of %s is one, and as OpenSSL has it, no other is',
    (name) => {
      const { crv, x, y } = generateKeyPairSync('ec', { namedCurve: name }).publicKey.export({
        format: 'jwk',
      })
      expect(curveOfPoint(crv, octets(x), octets(y))).toBe(name)
      expect(curveOfPoint(crv, octets(y), octets(x))).toBeUndefined()
      expect(curveOfPoint(crv, octets(x).subarray(1), octets(y))).toBeUndefined()
      expect(
        curveOfPoint(crv, octets(x), Buffer.concat([octets(y), Buffer.alloc(1)])),
      ).toBeUndefined()
      for (let bit = 0; bit < 8; bit++) {
        const spoilt = octets(y)
        spoilt.writeUInt8(spoilt.readUInt8(9) ^ (1 << bit), 9)
        expect(curveOfPoint(crv, octets(x), spoilt)).toBeUndefined()
        const jwk = { kty: 'EC', crv: name, x: x!, y: spoilt.toString('base64url') }
        expect(() => createPublicKey({ key: jwk, format: 'jwk' })).toThrow()
      }
    },
  )

  test('is none of a curve that is not allowed, and none with a coordinate beyond the field', () => {
    const { x, y } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
      format: 'jwk',
    })
    for (const name of ['secp256k1', 'p-256', 'P-384', undefined, null, ['P-256']]) {
      expect(curveOfPoint(name, octets(x), octets(y))).toBeUndefined()
    }
    expect(curveOfPoint('P-256', Buffer.alloc(0), Buffer.alloc(0))).toBeUndefined()
    expect(curveOfPoint('P-256', Buffer.alloc(32), Buffer.alloc(32))).toBeUndefined()
    // Both are the same point for a reader that reduces.
    const [small, root] = smallPoint()
    expect(curveOfPoint('P-256', octetsOf(small), octetsOf(root))).toBe('P-256')
    expect(curveOfPoint('P-256', octetsOf(small + P), octetsOf(root))).toBeUndefined()
    expect(curveOfPoint('P-256', octetsOf(small), octetsOf(P - root))).toBe('P-256')
  })
})

const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn

function octetsOf(integer: bigint): Buffer {
  return Buffer.from(integer.toString(16).padStart(64, '0'), 'hex')
}

/** A point of P-256 whose first coordinate is small. */
function smallPoint(): readonly [bigint, bigint] {
  for (let x = 1n; ; x++) {
    const square = (((x * x * x - 3n * x + B) % P) + P) % P
    const root = power(square, (P + 1n) / 4n)
    if ((root * root) % P === square) return [x, root]
  }
}

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, base]
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % P
    square = (square * square) % P
  }
  return result
}
