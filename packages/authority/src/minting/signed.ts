import { sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { bitString, der, NULL, objectIdentifier, SEQUENCE } from './der.ts'
import type { SignatureHash, SigningAlgorithm } from './key-pair.ts'

const signAsync = promisify(sign)

// RFC 5758 §3.2
const ECDSA: Readonly<Record<SignatureHash, string>> = {
  'SHA-1': '1.2.840.10045.4.1',
  'SHA-256': '1.2.840.10045.4.3.2',
  'SHA-384': '1.2.840.10045.4.3.3',
  'SHA-512': '1.2.840.10045.4.3.4',
}

// RFC 3279 §2.2.1, RFC 4055 §5
const RSA: Readonly<Record<SignatureHash, string>> = {
  'SHA-1': '1.2.840.113549.1.1.5',
  'SHA-256': '1.2.840.113549.1.1.11',
  'SHA-384': '1.2.840.113549.1.1.12',
  'SHA-512': '1.2.840.113549.1.1.13',
}

// RFC 8410 §3
const ED25519 = '1.3.101.112'

/** Encodes what a CA signs: the octets to be signed, which name the algorithm too, and the signature. */
export async function encodeSigned(
  toBeSigned: (algorithm: Buffer) => Buffer,
  key: KeyObject,
  algorithm: SigningAlgorithm,
): Promise<Buffer> {
  const identifier = algorithmIdentifier(algorithm)
  const tbs = toBeSigned(identifier)
  const signature = await signAsync(algorithm.hash, tbs, key)
  return der(SEQUENCE, tbs, identifier, bitString(signature))
}

function algorithmIdentifier({ name, hash = 'SHA-256' }: SigningAlgorithm): Buffer {
  if (name === 'Ed25519') return der(SEQUENCE, objectIdentifier(ED25519))
  // What is not a hash of ours is refused as no object identifier.
  if (name === 'ECDSA') return der(SEQUENCE, objectIdentifier(ECDSA[hash]))
  return der(SEQUENCE, objectIdentifier(RSA[hash]), NULL)
}
