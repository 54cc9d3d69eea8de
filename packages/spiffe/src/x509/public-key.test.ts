import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { refusesDer, tlv } from '../der/der.test.support.ts'
import { DerReader } from '../der/reader.ts'
import { TAG } from '../der/tags.ts'
import { readSubjectPublicKey, type SubjectPublicKey } from './public-key.ts'
import { bitString, NULL, oid } from './x509.test.support.ts'

const read = (spki: Uint8Array): SubjectPublicKey => readSubjectPublicKey(DerReader.of(spki))
const spkiOf = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' })
const spki = (algorithm: readonly Buffer[], key: Uint8Array): Buffer =>
  tlv(TAG.sequence, tlv(TAG.sequence, ...algorithm), bitString(key))

const RSA = oid('1.2.840.113549.1.1.1')
const EC = oid('1.2.840.10045.2.1')
const P256 = oid('1.2.840.10045.3.1.7')
const ED25519 = oid('1.3.101.112')
const E65537 = Buffer.from([0x01, 0x00, 0x01])

/** An odd modulus of that many bits, which need not be a product of primes. */
function modulus(bits: number): Buffer {
  const octets = Buffer.alloc(Math.ceil(bits / 8), 0xff)
  octets[0] = 0xff >> (octets.length * 8 - bits)
  return octets[0] >= 0x80 ? Buffer.concat([Buffer.from([0]), octets]) : octets
}

const rsaKey = (n: Buffer, e: Buffer): Buffer =>
  tlv(TAG.sequence, tlv(TAG.integer, n), tlv(TAG.integer, e))

test.each(['P-256', 'P-384', 'P-521'])('%s may be used', (namedCurve) => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve })
  expect(read(spkiOf(publicKey))).toMatchObject({ type: 'ec', weakness: undefined })
})

test('Ed25519 may be used', () => {
  const { publicKey } = generateKeyPairSync('ed25519')
  expect(read(spkiOf(publicKey))).toMatchObject({ type: 'ed25519', weakness: undefined })
})

test('a real RSA key of 2048 bits may be used', () => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  expect(read(spkiOf(publicKey))).toMatchObject({ type: 'rsa', weakness: undefined })
})

test.each([2048, 2049, 3072, 4096, 8192])('RSA of %d bits may be used', (bits) => {
  expect(read(spki([RSA, NULL], rsaKey(modulus(bits), E65537))).weakness).toBeUndefined()
})

test.each<[string, Buffer]>([
  ['RSA of 2047 bits', spki([RSA, NULL], rsaKey(modulus(2047), E65537))],
  ['RSA of 8193 bits', spki([RSA, NULL], rsaKey(modulus(8193), E65537))],
  [
    'RSA with a negative modulus',
    spki(
      [RSA, NULL],
      rsaKey(Buffer.concat([Buffer.from([0x80]), modulus(2040).subarray(1)]), E65537),
    ),
  ],
  [
    'RSA with an even modulus',
    spki([RSA, NULL], rsaKey(Buffer.concat([modulus(2047), Buffer.alloc(1)]), E65537)),
  ],
  ['RSA with a modulus of zero', spki([RSA, NULL], rsaKey(Buffer.alloc(1), E65537))],
  ['RSA with the exponent 0', spki([RSA, NULL], rsaKey(modulus(2048), Buffer.from([0])))],
  ['RSA with the exponent 1', spki([RSA, NULL], rsaKey(modulus(2048), Buffer.from([1])))],
  ['RSA with the exponent 2', spki([RSA, NULL], rsaKey(modulus(2048), Buffer.from([2])))],
  ['RSA with a negative exponent', spki([RSA, NULL], rsaKey(modulus(2048), Buffer.from([0xfd])))],
  [
    'RSA with an exponent of 40 bits',
    spki([RSA, NULL], rsaKey(modulus(2048), Buffer.from([1, 0, 0, 0, 1]))),
  ],
  ['RSA without NULL', spki([RSA], rsaKey(modulus(2048), E65537))],
  ['RSA with other parameters', spki([RSA, P256], rsaKey(modulus(2048), E65537))],
  ['P-224', spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey)],
  ['secp256k1', spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)],
  ['EC without a curve', spki([EC], Buffer.alloc(65, 4))],
  ['EC with explicit parameters', spki([EC, tlv(TAG.sequence)], Buffer.alloc(65, 4))],
  ['EC with more than a curve', spki([EC, P256, NULL], Buffer.alloc(65, 4))],
  ['EC with the point at infinity', spki([EC, P256], Buffer.alloc(1))],
  ['EC with a point of another curve', spki([EC, P256], Buffer.alloc(97, 4))],
  ['EC with a compressed point', spki([EC, P256], Buffer.alloc(33, 2))],
  ['Ed25519 with parameters', spki([ED25519, NULL], Buffer.alloc(32, 1))],
  ['Ed25519 of 31 octets', spki([ED25519], Buffer.alloc(31, 1))],
  ['Ed448', spkiOf(generateKeyPairSync('ed448').publicKey)],
  ['DSA', spki([oid('1.2.840.10040.4.1'), NULL], Buffer.alloc(64, 1))],
  [
    'a key for RSA-PSS alone',
    spkiOf(generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey),
  ],
])('%s may not be used', (_, der) => {
  expect(read(der).weakness).toEqual(expect.any(String))
})

test('an RSA key that is not DER is refused', () => {
  refusesDer(() => read(spki([RSA, NULL], Buffer.from('junk'))))
  const padded = Buffer.concat([Buffer.from([0, 0]), modulus(2048)])
  refusesDer(() => read(spki([RSA, NULL], rsaKey(padded, E65537))))
  const trailing = Buffer.concat([rsaKey(modulus(2048), E65537), NULL])
  refusesDer(() => read(spki([RSA, NULL], trailing)))
})

test('OpenSSL itself takes explicit EC parameters, which are refused here', () => {
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    paramEncoding: 'explicit',
  })
  const again = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }))
  expect(again.asymmetricKeyType).toBe('ec')
  const { publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    paramEncoding: 'explicit',
  })
  expect(read(spkiOf(publicKey)).weakness).toBe('its curve is not a named one')
})
