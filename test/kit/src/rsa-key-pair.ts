import {
  createDiffieHellmanGroup,
  createPrivateKey,
  createPublicKey,
  generatePrimeSync,
  type KeyObject,
} from 'node:crypto'

/** Groups whose prime has three quarters of the bits of the modulus. */
const GROUPS = { 2048: 'modp5', 4096: 'modp15' } as const
const EXPONENT = 65_537n

/**
 * Makes a new RSA key pair in a hundredth of the time that it takes to find two large primes: the larger prime is the
 * well-known one of a Diffie-Hellman group (RFC 3526), so the key is for tests only.
 */
export function rsaKeyPair(bits: keyof typeof GROUPS): {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
} {
  const p = BigInt(`0x${createDiffieHellmanGroup(GROUPS[bits]).getPrime('hex')}`)
  const q = generatePrimeSync(bits / 4, { bigint: true })
  const d = inverse(EXPONENT, (p - 1n) * (q - 1n))
  const numbers = { n: p * q, e: EXPONENT, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n) }
  const fields = Object.entries({ ...numbers, qi: inverse(q, p) }).map(([name, number]) => [
    name,
    base64url(number),
  ])
  const key = { kty: 'RSA', ...Object.fromEntries(fields) }
  const privateKey = createPrivateKey({ format: 'jwk', key })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

/** The inverse of `value` modulo `modulus`, by the extended Euclidean algorithm. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [rest, nextRest] = [modulus, value % modulus]
  let [factor, nextFactor] = [0n, 1n]
  while (nextRest !== 0n) {
    const quotient = rest / nextRest
    ;[rest, nextRest] = [nextRest, rest - quotient * nextRest]
    ;[factor, nextFactor] = [nextFactor, factor - quotient * nextFactor]
  }
  return ((factor % modulus) + modulus) % modulus
}

function base64url(number: bigint): string {
  const hex = number.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
}
