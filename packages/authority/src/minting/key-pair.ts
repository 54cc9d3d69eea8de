import { generateKeyPair as generate, webcrypto, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { AuthorityError } from '../errors.ts'
import { reader } from '../options.ts'

/** The types of keys that can be certified. `rsa-1024` exists for tests of its refusal. */
export type KeyType =
  | 'ec-p256'
  | 'ec-p384'
  | 'ec-p521'
  | 'rsa-1024'
  | 'rsa-2048'
  | 'rsa-4096'
  | 'ed25519'

/** The hash that the issuer signs with. */
export type SignatureHash = 'SHA-1' | 'SHA-256' | 'SHA-384' | 'SHA-512'

/** A public and its private key. Logs and JSON do not show them. */
export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const generateAsync = promisify(generate)

const GENERATORS: ReadonlyMap<KeyType, () => Promise<KeyPair>> = new Map([
  ['ec-p256', () => generateAsync('ec', { namedCurve: 'P-256' })],
  ['ec-p384', () => generateAsync('ec', { namedCurve: 'P-384' })],
  ['ec-p521', () => generateAsync('ec', { namedCurve: 'P-521' })],
  ['rsa-1024', () => generateAsync('rsa', { modulusLength: 1024 })],
  ['rsa-2048', () => generateAsync('rsa', { modulusLength: 2048 })],
  ['rsa-4096', () => generateAsync('rsa', { modulusLength: 4096 })],
  ['ed25519', () => generateAsync('ed25519')],
])

/** All types of keys. */
export const KEY_TYPES: readonly KeyType[] = [...GENERATORS.keys()]

/**
 * Makes a new key pair.
 * @throws {@link AuthorityError} `invalid-option` for a type that is not known
 */
export async function generateKeyPair(type: KeyType): Promise<KeyPair> {
  const generateOne = GENERATORS.get(type)
  if (generateOne !== undefined) return generateOne()
  return reader.refuse('keyType', type, `must be one of ${KEY_TYPES.join(', ')}`)
}

/** How a key signs, in the words of Web Crypto. */
export interface SigningAlgorithm {
  readonly name: 'ECDSA' | 'RSASSA-PKCS1-v1_5' | 'Ed25519'
  readonly namedCurve?: string
  readonly hash?: SignatureHash
}

interface Curve {
  readonly namedCurve: string
  readonly hash: SignatureHash
}

const CURVES: ReadonlyMap<string | undefined, Curve> = new Map([
  ['prime256v1', { namedCurve: 'P-256', hash: 'SHA-256' }],
  ['secp384r1', { namedCurve: 'P-384', hash: 'SHA-384' }],
  ['secp521r1', { namedCurve: 'P-521', hash: 'SHA-512' }],
])

/** How `key` signs. The default hash is the one of its curve, SHA-256 for RSA. */
export function signingAlgorithmOf(key: KeyObject, hash?: SignatureHash): SigningAlgorithm {
  if (key.asymmetricKeyType === 'ed25519') return { name: 'Ed25519' }
  if (key.asymmetricKeyType === 'rsa') {
    return { name: 'RSASSA-PKCS1-v1_5', hash: hash ?? 'SHA-256' }
  }
  const curve = CURVES.get(key.asymmetricKeyDetails?.namedCurve)
  if (curve === undefined)
    throw new AuthorityError('unmintable', 'a key of this type cannot sign certificates')
  return { name: 'ECDSA', namedCurve: curve.namedCurve, hash: hash ?? curve.hash }
}

// An authority signs often with the same key, and reading one costs OpenSSL a millisecond or two.
const signingKeys = new WeakMap<KeyObject, Map<string | undefined, webcrypto.CryptoKey>>()

/** The private key as Web Crypto wants it to sign with `algorithm`. */
export async function importSigningKey(
  key: KeyObject,
  algorithm: SigningAlgorithm,
): Promise<webcrypto.CryptoKey> {
  const byHash = signingKeys.get(key) ?? new Map<string | undefined, webcrypto.CryptoKey>()
  signingKeys.set(key, byHash)
  const known = byHash.get(algorithm.hash)
  if (known !== undefined) return known
  const der = key.export({ format: 'der', type: 'pkcs8' })
  const imported = await webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign'])
  byHash.set(algorithm.hash, imported)
  return imported
}
