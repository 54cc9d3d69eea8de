import { readObjectIdentifier } from '../der/object-identifier.ts'
import { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { readInteger, readOctetAlignedBitString, readWhole } from '../der/values.ts'

/** The kinds of key that may sign and be certified. */
export type PublicKeyType = 'rsa' | 'ec' | 'ed25519'

/** The curves that are allowed, by the names of FIPS 186. */
export type CurveName = 'P-256' | 'P-384' | 'P-521'

/** What a certificate says of the key that it certifies. */
export interface SubjectPublicKey {
  /** The SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array
  /** `undefined` for a kind that is not on the list. */
  readonly type: PublicKeyType | undefined
  /** The curve of an allowed key of type `ec`; `undefined` for any other key. */
  readonly curve: CurveName | undefined
  /** Why the key may not be used; `undefined` for RSA of 2048 to 8192 bits, P-256, P-384, P-521 and Ed25519. */
  readonly weakness: string | undefined
  /** What a signature check with the key costs, where one with P-256 costs 1. */
  readonly checkCost: number
}

type Assessment = Omit<SubjectPublicKey, 'spki' | 'curve'> & { readonly curve?: CurveName }

const RSA_MIN_BITS = 2048
const RSA_MAX_BITS = 8192
/** Enough for 65537; a larger exponent only makes each check dearer. */
const RSA_MAX_EXPONENT_OCTETS = 3

/** A check with RSA of so many bits costs about what one with P-256 does. */
const RSA_UNIT_BITS = 4096

interface Curve {
  readonly name: CurveName
  /** Of a coordinate. */
  readonly octets: number
  readonly checkCost: number
}

const CURVES: ReadonlyMap<string, Curve> = new Map([
  ['1.2.840.10045.3.1.7', { name: 'P-256', octets: 32, checkCost: 1 }],
  ['1.3.132.0.34', { name: 'P-384', octets: 48, checkCost: 9 }],
  ['1.3.132.0.35', { name: 'P-521', octets: 66, checkCost: 20 }],
])

const ED25519_OCTETS = 32

/** @throws {@link SpiffeError} `invalid-der`; a weak key does not throw */
export function readSubjectPublicKey(reader: DerReader): SubjectPublicKey {
  const spki = reader.element(TAG.sequence)
  return readWhole(spki, (outer) => {
    const info = outer.enter(TAG.sequence)
    const algorithm = info.enter(TAG.sequence)
    const key = readOctetAlignedBitString(info)
    info.end()
    return Object.freeze({ curve: undefined, ...assess(algorithm, key), spki })
  })
}

function assess(algorithm: DerReader, key: Uint8Array): Assessment {
  const type = readObjectIdentifier(algorithm)
  switch (type) {
    case '1.2.840.113549.1.1.1':
      return assessRsa(algorithm, key)
    case '1.2.840.10045.2.1':
      return assessEc(algorithm, key)
    case '1.3.101.112':
      return { type: 'ed25519', weakness: ed25519Weakness(algorithm, key), checkCost: 1 }
    default:
      return { type: undefined, weakness: `its algorithm ${type} is not allowed`, checkCost: 1 }
  }
}

function assessRsa(algorithm: DerReader, key: Uint8Array): Assessment {
  const [modulus, exponent] = readWhole(key, (outer) => {
    const pair = outer.enter(TAG.sequence)
    const integers = [readInteger(pair), readInteger(pair)] as const
    pair.end()
    return integers
  })
  // Multiplication is quadratic in the length of the modulus.
  const checkCost = Math.max(1, Math.ceil((bitLength(modulus) / RSA_UNIT_BITS) ** 2))
  return { type: 'rsa', weakness: rsaWeakness(algorithm, modulus, exponent), checkCost }
}

function rsaWeakness(
  algorithm: DerReader,
  modulus: Uint8Array,
  exponent: Uint8Array,
): string | undefined {
  // RFC 3279 §2.3.1: the parameters are NULL.
  if (algorithm.contentIf(TAG.null)?.length !== 0 || !algorithm.isAtEnd) {
    return 'its RSA parameters are not NULL'
  }
  if (modulus[0]! >= 0x80) return 'its RSA modulus is negative'
  const bits = bitLength(modulus)
  if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS) return `its RSA modulus has ${bits} bits`
  if (isEven(modulus)) return 'its RSA modulus is even'
  return isSoundExponent(exponent) ? undefined : 'its RSA exponent is unsound'
}

/** Odd, positive, at least 3. */
function isSoundExponent(exponent: Uint8Array): boolean {
  if (exponent[0]! >= 0x80 || exponent.length > RSA_MAX_EXPONENT_OCTETS) return false
  return bitLength(exponent) > 1 && !isEven(exponent)
}

function assessEc(algorithm: DerReader, key: Uint8Array): Assessment {
  // RFC 5480 §2.1.1: a named curve; explicit parameters could redefine its generator.
  if (algorithm.peek() !== TAG.objectIdentifier) {
    return { type: 'ec', weakness: 'its curve is not a named one', checkCost: 1 }
  }
  const name = readObjectIdentifier(algorithm)
  const curve = CURVES.get(name)
  if (curve === undefined || !algorithm.isAtEnd) {
    return { type: 'ec', weakness: `its curve ${name} is not allowed`, checkCost: 1 }
  }
  const isUncompressed = key[0] === 0x04 && key.length === 1 + 2 * curve.octets
  if (!isUncompressed) {
    const weakness = 'its point is not an uncompressed one of the curve'
    return { type: 'ec', weakness, checkCost: curve.checkCost }
  }
  return { type: 'ec', curve: curve.name, weakness: undefined, checkCost: curve.checkCost }
}

function ed25519Weakness(algorithm: DerReader, key: Uint8Array): string | undefined {
  // RFC 8410 §3: the parameters are absent.
  if (!algorithm.isAtEnd) return 'an Ed25519 key has no parameters'
  return key.length === ED25519_OCTETS ? undefined : 'its size is not that of an Ed25519 key'
}

/** Significant bits of a non-negative INTEGER. */
function bitLength(integer: Uint8Array): number {
  const first = integer.findIndex((octet) => octet !== 0)
  return first === -1 ? 0 : (integer.length - first) * 8 - (Math.clz32(integer[first]!) - 24)
}

function isEven(integer: Uint8Array): boolean {
  return (integer.at(-1)! & 1) === 0
}
