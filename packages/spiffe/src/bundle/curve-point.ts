import type { CurveName } from '../x509/public-key.ts'

/** y² = x³ - 3x + b over the integers modulo p (FIPS 186-5, SP 800-186 §3.2.1). */
interface Curve {
  readonly name: CurveName
  /** Of a coordinate. */
  readonly octets: number
  readonly p: bigint
  readonly b: bigint
}

const CURVES: ReadonlyMap<unknown, Curve> = new Map<unknown, Curve>([
  [
    'P-256',
    {
      name: 'P-256',
      octets: 32,
      p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
      b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    },
  ],
  [
    'P-384',
    {
      name: 'P-384',
      octets: 48,
      p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
      b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    },
  ],
  [
    'P-521',
    {
      name: 'P-521',
      octets: 66,
      p: 2n ** 521n - 1n,
      b: 0x51953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
    },
  ],
])

/**
 * The curve, if the coordinates are a point of it. Its order is prime, so every point of it is a good key. A hundred
 * times as fast as to have OpenSSL import the key: a bundle from outside may hold a thousand.
 */
export function curveOfPoint(name: unknown, x: Buffer, y: Buffer): CurveName | undefined {
  const curve = CURVES.get(name)
  if (curve === undefined || x.length !== curve.octets || y.length !== curve.octets)
    return undefined
  return isOn(curve, integerOf(x), integerOf(y)) ? curve.name : undefined
}

function isOn({ p, b }: Curve, x: bigint, y: bigint): boolean {
  return x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n
}

function integerOf(octets: Buffer): bigint {
  return BigInt(`0x${octets.toString('hex')}`)
}
