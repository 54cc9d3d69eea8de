import { createPublicKey, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTagConstructed, TAG } from '../der/tags.ts'
import {
  bitString,
  commonName,
  forge,
  newKeyPair,
  NULL,
  oid,
  type KeyPair,
} from '../x509/x509.test.support.ts'
import { certify, party, selfSigned, svid, trusting, verdict } from './authorities.test.support.ts'
import { verifyX509Svid } from './verify-x509-svid.ts'

const root = party('root')
const bundles = trusting(selfSigned(root))

const ec = (namedCurve: string, paramEncoding: 'named' | 'explicit' = 'named'): KeyPair =>
  generateKeyPairSync('ec', { namedCurve, paramEncoding })

const identifier = (type: string, ...parameters: Buffer[]): Buffer =>
  tlv(TAG.sequence, oid(type), ...parameters)

/** A key that is certified and never signs: to find real primes takes seconds. */
const certifiedOnly = (algorithm: Buffer, key: Buffer): KeyPair => {
  const spki = tlv(TAG.sequence, algorithm, bitString(key))
  return { ...newKeyPair(), publicKey: createPublicKey({ key: spki, format: 'der', type: 'spki' }) }
}

/** An odd number of that many bits. */
const integer = (bits: number): Buffer => {
  const octets = randomBytes(bits / 8)
  octets[0]! |= 0x80
  octets[octets.length - 1]! |= 1
  return tlv(TAG.integer, Buffer.from([0]), octets)
}

const rsaKey = (bits: number, exponent: string): Buffer =>
  tlv(TAG.sequence, integer(bits), tlv(TAG.integer, Buffer.from(exponent, 'hex')))

const rsa = (bits: number, exponent = '010001'): KeyPair =>
  certifiedOnly(identifier('1.2.840.113549.1.1.1', NULL), rsaKey(bits, exponent))

const rsaForPss = (bits: number): KeyPair =>
  certifiedOnly(identifier('1.2.840.113549.1.1.10'), rsaKey(bits, '010001'))

const dsa = (bits: number, subgroupBits: number): KeyPair => {
  const parameters = [integer(bits), integer(subgroupBits), integer(bits - 8)]
  const algorithm = identifier('1.2.840.10040.4.1', tlv(TAG.sequence, ...parameters))
  return certifiedOnly(algorithm, integer(bits - 8))
}

describe('keys that may be used', () => {
  test.each<[string, KeyPair]>([
    ['RSA of 2048 bits', rsa(2048)],
    ['RSA of 3072 bits with the exponent 3', rsa(3072, '03')],
    ['P-256', ec('P-256')],
    ['P-384', ec('P-384')],
    ['P-521', ec('P-521')],
    ['Ed25519', generateKeyPairSync('ed25519')],
  ])('%s', (_, keys) => {
    expect(verdict([svid(root, { draft: { subjectKeys: keys } })], bundles)).toBe('accepted')
  })
})

describe('keys that may not be used', () => {
  const weak: readonly [string, KeyPair][] = [
    ['RSA of 1024 bits', rsa(1024)],
    ['RSA of 2040 bits', rsa(2040)],
    ['RSA with an exponent of 32 bits', rsa(2048, '00fffffffb')],
    ['RSA for PSS alone', rsaForPss(2048)],
    ['P-224', ec('secp224r1')],
    ['secp256k1', ec('secp256k1')],
    ['P-256 with its parameters spelled out', ec('P-256', 'explicit')],
    ['DSA', dsa(2048, 256)],
    ['Ed448', generateKeyPairSync('ed448')],
    ['X25519', generateKeyPairSync('x25519')],
  ]

  test.each(weak)('%s, of the leaf', (_, keys) => {
    expect(verdict([svid(root, { draft: { subjectKeys: keys } })], bundles)).toBe('weak-key')
  })

  // The leaf's signature is not looked at: another key made it.
  test.each(weak)('%s, of an intermediate and of an anchor', (_, keys) => {
    const [named, signer] = [party('middle', keys), party('middle')]
    const leaf = svid(signer)
    expect(verdict([leaf, certify(named, root)], bundles)).toBe('weak-key')
    expect(verdict([leaf], trusting(certify(named, root)))).toBe('weak-key')
    expect(verdict([leaf], trusting(certify(named, root)), { maxSignatureChecks: 0 })).toBe(
      'weak-key',
    )
  })
})

describe('signatures that may not be used', () => {
  const RSA_SHA256 = '1.2.840.113549.1.1.11'
  const RSA_PSS = '1.2.840.113549.1.1.10'
  test.each<[string, Buffer]>([
    ['RSA with MD5', identifier('1.2.840.113549.1.1.4', NULL)],
    ['RSA with SHA-1', identifier('1.2.840.113549.1.1.5', NULL)],
    ['RSA with SHA-224', identifier('1.2.840.113549.1.1.14', NULL)],
    ['RSA with parameters', identifier(RSA_SHA256, tlv(TAG.sequence))],
    ['RSA-PSS with its defaults, SHA-1', identifier(RSA_PSS, tlv(TAG.sequence))],
    ['ECDSA with SHA-1', identifier('1.2.840.10045.4.1')],
    ['ECDSA with SHA-224', identifier('1.2.840.10045.4.3.1')],
    ['ECDSA with NULL', identifier('1.2.840.10045.4.3.2', NULL)],
    ['DSA with SHA-256', identifier('2.16.840.1.101.3.4.3.2')],
    ['Ed448', identifier('1.3.101.113')],
    ['an unknown algorithm', identifier('1.2.3.4')],
  ])('%s, on the leaf and on an intermediate', (_, algorithm) => {
    const middle = party('middle')
    expect(verdict([svid(root, { draft: { algorithm } })], bundles)).toBe('weak-signature')
    const intermediate = certify(middle, root, { draft: { algorithm } })
    expect(verdict([svid(middle), intermediate], bundles)).toBe('weak-signature')
    // What an anchor has signed itself with proves nothing, and disproves nothing.
    expect(verdict([svid(root)], trusting(selfSigned(root, { draft: { algorithm } })))).toBe(
      'accepted',
    )
  })

  test('a key of another kind than the algorithm', () => {
    const algorithm = identifier(RSA_SHA256, NULL)
    expect(verdict([svid(root, { draft: { algorithm } })], bundles)).toBe('bad-signature')
  })

  test('an RSA signature whose NULL is left out is one (RFC 4055 §5)', () => {
    const issuer = party('rsa', generateKeyPairSync('rsa', { modulusLength: 2048 }))
    const trusted = trusting(selfSigned(issuer))
    expect(verdict([svid(issuer)], trusted)).toBe('accepted')
    const algorithm = identifier(RSA_SHA256)
    expect(verdict([svid(issuer, { draft: { algorithm } })], trusted)).toBe('accepted')
  })

  test('an inner algorithm that is not the outer one, which OpenSSL reads', () => {
    const pair = { subject: commonName('workload'), issuer: commonName('root') }
    const outerAlgorithm = identifier('1.2.840.10045.4.3.3')
    const der = forge({ ...pair, issuerKeys: root.keys, outerAlgorithm })
    const outcome = verifyX509Svid([new X509Certificate(der)], bundles)
    expect(outcome).toMatchObject({ ok: false, code: 'malformed' })
    const good = forge({ ...pair, issuerKeys: root.keys })
    expect(verifyX509Svid([new X509Certificate(good)], bundles).ok).toBe(true)
  })

  test('RSA-PSS with a salt that is not as long as its hash', () => {
    const sha256 = identifier('2.16.840.1.101.3.4.2.1')
    const pss = (salt: number): Buffer =>
      identifier(
        RSA_PSS,
        tlv(
          TAG.sequence,
          tlv(contextTagConstructed(0), sha256),
          tlv(contextTagConstructed(1), identifier('1.2.840.113549.1.1.8', sha256)),
          tlv(contextTagConstructed(2), tlv(TAG.integer, Buffer.from([salt]))),
        ),
      )
    const codeOf = (salt: number): string =>
      verdict([svid(root, { draft: { algorithm: pss(salt) } })], bundles)
    expect(codeOf(20)).toBe('weak-signature')
    // On the list, and not what the key of the issuer makes.
    expect(codeOf(32)).toBe('bad-signature')
  })
})
