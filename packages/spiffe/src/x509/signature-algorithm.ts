import { readObjectIdentifier } from '../der/object-identifier.ts'
import { contextTagConstructed, TAG } from '../der/tags.ts'
import { readSmallInteger, readWhole } from '../der/values.ts'
import type { DerReader } from '../der/reader.ts'
import type { PublicKeyType } from './public-key.ts'

/** A way to sign that is on the list. */
export interface SignatureAlgorithm {
  readonly keyType: PublicKeyType
  /** `null`: the algorithm brings its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | null
  /** Length of the salt in bytes when RSA is padded by PSS, `undefined` otherwise. */
  readonly saltBytes?: number
}

type Hash = NonNullable<SignatureAlgorithm['hash']>

const HASHES: ReadonlyMap<string, { readonly hash: Hash; readonly bytes: number }> = new Map([
  ['2.16.840.1.101.3.4.2.1', { hash: 'sha256', bytes: 32 }],
  ['2.16.840.1.101.3.4.2.2', { hash: 'sha384', bytes: 48 }],
  ['2.16.840.1.101.3.4.2.3', { hash: 'sha512', bytes: 64 }],
])

const RSA: ReadonlyMap<string, Hash> = new Map([
  ['1.2.840.113549.1.1.11', 'sha256'],
  ['1.2.840.113549.1.1.12', 'sha384'],
  ['1.2.840.113549.1.1.13', 'sha512'],
])

const ECDSA: ReadonlyMap<string, Hash> = new Map([
  ['1.2.840.10045.4.3.2', 'sha256'],
  ['1.2.840.10045.4.3.3', 'sha384'],
  ['1.2.840.10045.4.3.4', 'sha512'],
])

const RSA_PSS = '1.2.840.113549.1.1.10'
const MGF1 = '1.2.840.113549.1.1.8'
const ED25519 = '1.3.101.112'

/**
 * Reads an AlgorithmIdentifier; `undefined` for one that is not on the list: MD5, SHA-1, DSA, or
 * parameters other than the standard ones.
 * @throws {@link SpiffeError} `invalid-der`
 */
export function readSignatureAlgorithm(identifier: Uint8Array): SignatureAlgorithm | undefined {
  const reader = readWhole(identifier, (outer) => outer.enter(TAG.sequence))
  const type = readObjectIdentifier(reader)
  const rsa = RSA.get(type)
  // RFC 4055 §5: NULL, and an absent one is accepted.
  if (rsa !== undefined) return isNullOrAbsent(reader) ? { keyType: 'rsa', hash: rsa } : undefined
  if (type === RSA_PSS) return pss(reader)
  // RFC 5758 §3.2, RFC 8410 §3: the parameters are absent.
  if (!reader.isAtEnd) return undefined
  const ecdsa = ECDSA.get(type)
  if (ecdsa !== undefined) return { keyType: 'ec', hash: ecdsa }
  return type === ED25519 ? { keyType: 'ed25519', hash: null } : undefined
}

/**
 * RFC 4055 §3.1; MGF1 takes the same hash, the salt is as long as the hash. The defaults, SHA-1 and
 * its 20 octets, are not on the list.
 */
function pss(reader: DerReader): SignatureAlgorithm | undefined {
  const parameters = reader.enterIf(TAG.sequence)
  if (parameters === undefined || !reader.isAtEnd) return undefined
  const hash = optionalHash(parameters.enterIf(contextTagConstructed(0)))
  const maskHash = optionalMaskHash(parameters.enterIf(contextTagConstructed(1)))
  const saltBytes = optionalInteger(parameters.enterIf(contextTagConstructed(2)))
  if (hash === undefined || maskHash !== hash || saltBytes !== hash.bytes) return undefined
  return parameters.isAtEnd ? { keyType: 'rsa', hash: hash.hash, saltBytes } : undefined
}

function optionalInteger(wrapper: DerReader | undefined): number | undefined {
  if (wrapper === undefined) return undefined
  const value = readSmallInteger(wrapper)
  wrapper.end()
  return value
}

function optionalHash(wrapper: DerReader | undefined): { hash: Hash; bytes: number } | undefined {
  if (wrapper === undefined) return undefined
  const identifier = wrapper.enter(TAG.sequence)
  wrapper.end()
  const hash = HASHES.get(readObjectIdentifier(identifier))
  return isNullOrAbsent(identifier) ? hash : undefined
}

function optionalMaskHash(
  wrapper: DerReader | undefined,
): { hash: Hash; bytes: number } | undefined {
  if (wrapper === undefined) return undefined
  const mask = wrapper.enter(TAG.sequence)
  wrapper.end()
  return readObjectIdentifier(mask) === MGF1 ? optionalHash(mask) : undefined
}

function isNullOrAbsent(parameters: DerReader): boolean {
  const isNull = (parameters.contentIf(TAG.null)?.length ?? 0) === 0
  return isNull && parameters.isAtEnd
}
