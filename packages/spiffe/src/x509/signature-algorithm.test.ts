import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTagConstructed, TAG } from '../der/tags.ts'
import { isSignature } from './signature.ts'
import { readSignatureAlgorithm } from './signature-algorithm.ts'
import { NULL, oid } from './x509.test.support.ts'

const identifier = (type: string, ...parameters: Buffer[]): Buffer =>
  tlv(TAG.sequence, oid(type), ...parameters)

const RSA_SHA256 = '1.2.840.113549.1.1.11'
const RSA_PSS = '1.2.840.113549.1.1.10'
const MGF1 = '1.2.840.113549.1.1.8'
const SHA1 = '1.3.14.3.2.26'
const SHA256 = '2.16.840.1.101.3.4.2.1'
const SHA384 = '2.16.840.1.101.3.4.2.2'
const SHA512 = '2.16.840.1.101.3.4.2.3'

interface Pss {
  readonly hash?: string
  readonly mask?: string
  readonly saltBytes?: number
  readonly trailer?: Buffer
  readonly parameters?: Buffer[]
}

function pss({
  hash = SHA256,
  mask = hash,
  saltBytes = 32,
  trailer,
  parameters = [NULL],
}: Pss): Buffer {
  const fields = [
    tlv(contextTagConstructed(0), identifier(hash, ...parameters)),
    tlv(contextTagConstructed(1), identifier(MGF1, identifier(mask, ...parameters))),
    tlv(contextTagConstructed(2), tlv(TAG.integer, Buffer.from([saltBytes]))),
    trailer ?? Buffer.alloc(0),
  ]
  return identifier(RSA_PSS, tlv(TAG.sequence, ...fields))
}

describe('an algorithm on the list', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const ed25519 = generateKeyPairSync('ed25519')
  const data = Buffer.from('signed')
  const rsaPss = (hash: string, saltLength: number): Buffer =>
    sign(hash, data, {
      key: rsa.privateKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength,
    })

  test.each<[string, Buffer, KeyObject, Buffer]>([
    [
      'RSA with SHA-256',
      identifier(RSA_SHA256, NULL),
      rsa.publicKey,
      sign('sha256', data, rsa.privateKey),
    ],
    [
      'RSA with SHA-256 without NULL',
      identifier(RSA_SHA256),
      rsa.publicKey,
      sign('sha256', data, rsa.privateKey),
    ],
    [
      'RSA with SHA-384',
      identifier('1.2.840.113549.1.1.12', NULL),
      rsa.publicKey,
      sign('sha384', data, rsa.privateKey),
    ],
    [
      'RSA with SHA-512',
      identifier('1.2.840.113549.1.1.13', NULL),
      rsa.publicKey,
      sign('sha512', data, rsa.privateKey),
    ],
    ['RSA-PSS with SHA-256', pss({}), rsa.publicKey, rsaPss('sha256', 32)],
    [
      'RSA-PSS with SHA-256 without NULL',
      pss({ parameters: [] }),
      rsa.publicKey,
      rsaPss('sha256', 32),
    ],
    [
      'RSA-PSS with SHA-384',
      pss({ hash: SHA384, saltBytes: 48 }),
      rsa.publicKey,
      rsaPss('sha384', 48),
    ],
    [
      'RSA-PSS with SHA-512',
      pss({ hash: SHA512, saltBytes: 64 }),
      rsa.publicKey,
      rsaPss('sha512', 64),
    ],
    [
      'ECDSA with SHA-256',
      identifier('1.2.840.10045.4.3.2'),
      ec.publicKey,
      sign('sha256', data, ec.privateKey),
    ],
    [
      'ECDSA with SHA-384',
      identifier('1.2.840.10045.4.3.3'),
      ec.publicKey,
      sign('sha384', data, ec.privateKey),
    ],
    [
      'ECDSA with SHA-512',
      identifier('1.2.840.10045.4.3.4'),
      ec.publicKey,
      sign('sha512', data, ec.privateKey),
    ],
    ['Ed25519', identifier('1.3.101.112'), ed25519.publicKey, sign(null, data, ed25519.privateKey)],
  ])('%s tells a signature from another', (_, der, key, signature) => {
    const algorithm = readSignatureAlgorithm(der)!
    expect(algorithm.keyType).toBe(key.asymmetricKeyType)
    expect(isSignature(signature, data, algorithm, key)).toBe(true)
    expect(isSignature(signature, Buffer.from('other'), algorithm, key)).toBe(false)
    expect(isSignature(signature.subarray(1), data, algorithm, key)).toBe(false)
  })

  test('RSA-PSS has no signature that is shorter by its leading zeros', () => {
    const algorithm = readSignatureAlgorithm(pss({}))!
    let signature = rsaPss('sha256', 32)
    // One of 256 begins with a zero.
    while (signature[0] !== 0) signature = rsaPss('sha256', 32)
    expect(isSignature(signature, data, algorithm, rsa.publicKey)).toBe(true)
    expect(isSignature(signature.subarray(1), data, algorithm, rsa.publicKey)).toBe(false)
  })

  test('RSA-PSS with a salt of another length is no signature', () => {
    const algorithm = readSignatureAlgorithm(pss({}))!
    expect(isSignature(rsaPss('sha256', 20), data, algorithm, rsa.publicKey)).toBe(false)
  })
})

describe('an algorithm that is not on the list', () => {
  test.each<[string, Buffer]>([
    ['RSA with MD5', identifier('1.2.840.113549.1.1.4', NULL)],
    ['RSA with SHA-1', identifier('1.2.840.113549.1.1.5', NULL)],
    ['RSA with SHA-224', identifier('1.2.840.113549.1.1.14', NULL)],
    ['RSA with parameters', identifier(RSA_SHA256, tlv(TAG.sequence))],
    ['RSA with more than NULL', identifier(RSA_SHA256, NULL, NULL)],
    ['ECDSA with SHA-1', identifier('1.2.840.10045.4.1')],
    ['ECDSA with NULL', identifier('1.2.840.10045.4.3.2', NULL)],
    ['DSA with SHA-256', identifier('2.16.840.1.101.3.4.3.2')],
    ['Ed25519 with NULL', identifier('1.3.101.112', NULL)],
    ['Ed448', identifier('1.3.101.113')],
    ['RSA-PSS with its defaults', identifier(RSA_PSS, tlv(TAG.sequence))],
    ['RSA-PSS without parameters', identifier(RSA_PSS)],
    ['RSA-PSS with SHA-1', pss({ hash: SHA1, saltBytes: 20 })],
    ['RSA-PSS with another hash in the mask', pss({ mask: SHA1 })],
    ['RSA-PSS with a short salt', pss({ saltBytes: 20 })],
    [
      'RSA-PSS with another trailer',
      pss({ trailer: tlv(contextTagConstructed(3), tlv(TAG.integer, Buffer.from([2]))) }),
    ],
  ])('%s is told apart', (_, der) => {
    expect(readSignatureAlgorithm(der)).toBeUndefined()
  })
})
