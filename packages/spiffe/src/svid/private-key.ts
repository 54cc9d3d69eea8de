import { createPrivateKey, type KeyObject } from 'node:crypto'
import { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { readSmallInteger } from '../der/values.ts'
import { SpiffeError } from '../errors.ts'
import { PRIVATE_KEYS } from '../x509/pem-kinds.ts'
import { encryptedKey, readPem, type PemBlock } from '../x509/pem.ts'

const TYPES: ReadonlyMap<string, 'pkcs8' | 'sec1' | 'pkcs1'> = new Map([
  ['PRIVATE KEY', 'pkcs8'],
  ['EC PRIVATE KEY', 'sec1'],
  ['RSA PRIVATE KEY', 'pkcs1'],
])

/**
 * Workload API §5.2.1: the key is an unencrypted PKCS#8 structure in DER; octets after it are refused.
 * @throws {@link SpiffeError} `invalid-key`, without any of the octets
 */
export function readPkcs8(der: Uint8Array): KeyObject {
  try {
    const reader = DerReader.of(der)
    const fields = reader.enter(TAG.sequence)
    // RFC 5958 §2, §3: a version comes first; in an encrypted key it is an algorithm.
    if (fields.peek() === TAG.sequence) throw encryptedKey()
    readSmallInteger(fields)
    reader.end()
  } catch (cause) {
    if (cause instanceof SpiffeError && cause.code === 'invalid-key') throw cause
    throw invalidKey('the private key is not one unencrypted PKCS#8 structure', cause)
  }
  return readKey(der, 'pkcs8')
}

/**
 * The one private key of a PEM file: PKCS#8, SEC 1 or PKCS#1, not encrypted. Other blocks in it,
 * such as certificates, are passed over.
 * @throws {@link SpiffeError} `invalid-pem` or `invalid-key`, without any of the octets
 */
export function readPemPrivateKey(pem: string | Uint8Array): KeyObject {
  const [block, ...others] = readPem(pem, PRIVATE_KEYS)
  if (others.length > 0) throw new SpiffeError('invalid-pem', 'several private keys in the PEM')
  return readBlock(block!)
}

function readBlock({ label, der }: PemBlock): KeyObject {
  const type = TYPES.get(label)
  if (type === undefined) throw encryptedKey()
  return type === 'pkcs8' ? readPkcs8(der) : readKey(der, type)
}

function readKey(der: Uint8Array, type: 'pkcs8' | 'sec1' | 'pkcs1'): KeyObject {
  try {
    return createPrivateKey({ key: Buffer.from(der), format: 'der', type })
  } catch (cause) {
    throw invalidKey('the private key cannot be read', cause)
  }
}

function invalidKey(message: string, cause?: unknown): SpiffeError {
  return new SpiffeError('invalid-key', message, cause === undefined ? undefined : { cause })
}
