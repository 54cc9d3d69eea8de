import { generateKeyPairSync, type KeyObject } from 'node:crypto'

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export type KeyKind = 'rsa' | 'rsa-1024' | 'P-256' | 'P-384' | 'P-521' | 'Ed25519'

/** The algorithms of JWT-SVIDs (JWT-SVID §2.1). */
export type Algorithm = `${'RS' | 'PS' | 'ES'}${'256' | '384' | '512'}`

export const ALGORITHMS: readonly Algorithm[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
]

const pairs = new Map<string, KeyPair>()

/** The kind of the keys that an algorithm is for. */
export function kindFor(algorithm: Algorithm): KeyKind {
  if (!algorithm.startsWith('ES')) return 'rsa'
  if (algorithm === 'ES512') return 'P-521'
  return algorithm === 'ES256' ? 'P-256' : 'P-384'
}

/** A key pair: one for each kind and owner, made once. */
export function keyPair(kind: KeyKind, owner: 'ours' | 'other' | 'stranger' = 'ours'): KeyPair {
  const name = `${kind}/${owner}`
  const pair = pairs.get(name) ?? newKeyPair(kind)
  pairs.set(name, pair)
  return pair
}

/** A public key as a JSON Web Key. */
export function jwkOf({ publicKey }: KeyPair, more: Members = {}): Members {
  return { ...publicKey.export({ format: 'jwk' }), ...more }
}

export type Members = Record<string, unknown>

function newKeyPair(kind: KeyKind): KeyPair {
  if (kind === 'Ed25519') return generateKeyPairSync('ed25519')
  if (kind === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 })
  if (kind === 'rsa-1024') return generateKeyPairSync('rsa', { modulusLength: 1024 })
  return generateKeyPairSync('ec', { namedCurve: kind })
}
