import { createPrivateKey, generateKeyPairSync, verify, type KeyExportOptions } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { TAG } from '../der/tags.ts'
import { writePem } from '../x509/pem.ts'
import { X509Svid } from './x509-svid.ts'
import { commonName, forge, newKeyPair, refuses } from '../x509/x509.test.support.ts'

const keys = newKeyPair()
const leaf = forge({ subjectKeys: keys })
const privateKey = keys.privateKey.export({ format: 'der', type: 'pkcs8' })
const svid = X509Svid.fromDer({ certificates: leaf, privateKey, hint: 'web' })

/** Every text that could stand for the key: of the whole, and of its secret number. */
function secrets(): string[] {
  const { d = '' } = keys.privateKey.export({ format: 'jwk' })
  const number = Buffer.from(d, 'base64url')
  return [
    d,
    number.toString('hex'),
    number.toString('base64'),
    privateKey.toString('base64').slice(-60),
  ]
}

describe('an X.509-SVID', () => {
  test('is read from the DER of the Workload API', () => {
    expect(svid.spiffeId.toString()).toBe('spiffe://example.org/web')
    expect(svid.hint).toBe('web')
    expect(svid.leaf.raw.equals(leaf)).toBe(true)
    expect(svid.notBefore).toBe(Date.parse('2020-01-01T00:00:00Z'))
    expect(svid.notAfter).toBe(Date.parse('2049-12-31T23:59:59Z'))
  })

  test.each([
    ['PRIVATE KEY', keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()],
    ['EC PRIVATE KEY', keys.privateKey.export({ format: 'pem', type: 'sec1' }).toString()],
  ])('is read from PEM files with a %s', (label, pem) => {
    expect(pem).toContain(label)
    const certificates = writePem('CERTIFICATE', leaf)
    const same = X509Svid.fromPem({ certificates, privateKey: pem, hint: 'web' })
    expect(same.equals(svid)).toBe(true)
    expect(X509Svid.fromPem({ certificates: `${pem}${certificates}`, privateKey: pem }).hint).toBe(
      '',
    )
  })

  test.each([
    ['RSA of 2048 bits', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['P-256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['Ed25519', generateKeyPairSync('ed25519')],
  ])('with a key of the type %s is read from DER and from PEM', (_, subjectKeys) => {
    const certificates = forge({ issuerKeys: keys, subjectKeys })
    const pkcs8 = subjectKeys.privateKey.export({ format: 'der', type: 'pkcs8' })
    const ofDer = X509Svid.fromDer({ certificates, privateKey: pkcs8 })
    const ofPem = X509Svid.fromPem({
      certificates: writePem('CERTIFICATE', certificates),
      privateKey: writePem('PRIVATE KEY', pkcs8),
    })
    expect(ofPem.equals(ofDer)).toBe(true)
    expect(ofPem.exportPrivateKeyPem()).toBe(ofDer.exportPrivateKeyPem())
    const again = createPrivateKey(ofDer.exportPrivateKeyPem())
    expect(again.equals(subjectKeys.privateKey)).toBe(true)
  })

  test('with an RSA key is read from PEM files with an RSA PRIVATE KEY', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const certificates = writePem(
      'CERTIFICATE',
      forge({
        issuerKeys: keys,
        subjectKeys: rsa,
      }),
    )
    const pem = rsa.privateKey.export({ format: 'pem', type: 'pkcs1' })
    expect(X509Svid.fromPem({ certificates, privateKey: pem }).leaf.publicKey.type).toBe('rsa')
  })

  test('gives its certificates and its key to node:tls as PEM', () => {
    const again = X509Svid.fromPem({
      certificates: svid.exportCertificatesPem(),
      privateKey: svid.exportPrivateKeyPem(),
      hint: 'web',
    })
    expect(again.equals(svid)).toBe(true)
  })

  test('differs from one with another certificate, and from one with another hint', () => {
    const other = forge({ subjectKeys: keys, subject: commonName('other') })
    expect(svid.equals(X509Svid.fromDer({ certificates: other, privateKey, hint: 'web' }))).toBe(
      false,
    )
    expect(svid.equals(X509Svid.fromDer({ certificates: leaf, privateKey }))).toBe(false)
  })

  test('is valid up to and including its last second', () => {
    expect(svid.isExpired(svid.notAfter)).toBe(false)
    expect(svid.isExpired(svid.notAfter + 1)).toBe(true)
    expect(svid.isExpired(Number.NaN)).toBe(true)
  })

  test('shows its key nowhere', () => {
    const shown = [
      JSON.stringify(svid),
      JSON.stringify({ deep: [svid] }),
      inspect(svid, { showHidden: true, depth: 9 }),
      inspect({ deep: [svid] }),
      String(svid),
      Object.getOwnPropertyNames(svid).join(),
    ].join('\n')
    for (const secret of secrets()) expect(shown).not.toContain(secret)
    expect(shown).toContain('spiffe://example.org/web')
    expect(svid.exportPrivateKeyPem().replaceAll('\n', '')).toContain(secrets().at(-1))
  })

  test('is frozen', () => {
    expect(Object.isFrozen(svid)).toBe(true)
    expect(Object.isFrozen(svid.certificates)).toBe(true)
  })
})

const at = (time: number): X509Svid =>
  X509Svid.fromDer({ certificates: leaf, privateKey, clock: () => time })

describe('an X.509-SVID is refused', () => {
  const certificates = leaf

  test('without a certificate', () => {
    refuses('invalid-svid', () => X509Svid.fromDer({ certificates: new Uint8Array(0), privateKey }))
    refuses('invalid-pem', () =>
      X509Svid.fromPem({ certificates: '', privateKey: svid.exportPrivateKeyPem() }),
    )
  })

  test('with garbage for certificates', () => {
    refuses('invalid-der', () =>
      X509Svid.fromDer({ certificates: Buffer.from('garbage'), privateKey }),
    )
    refuses('invalid-der', () =>
      X509Svid.fromDer({ certificates: Buffer.concat([leaf, Buffer.from([0])]), privateKey }),
    )
    refuses('invalid-certificate', () =>
      X509Svid.fromDer({ certificates: tlv(TAG.sequence), privateKey }),
    )
  })

  test('with a key that is not that of the leaf, of the same kind or of another', () => {
    const others = [newKeyPair(), generateKeyPairSync('ed25519'), generateKeyPairSync('x25519')]
    for (const other of others) {
      const der = other.privateKey.export({ format: 'der', type: 'pkcs8' })
      refuses('key-mismatch', () => X509Svid.fromDer({ certificates, privateKey: der }))
    }
  })

  test('with a key that is no unencrypted PKCS#8, by an error that does not show it', () => {
    const encrypted = keys.privateKey.export({
      format: 'der',
      type: 'pkcs8',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    })
    const wrong = [
      new Uint8Array(0),
      Buffer.from('garbage'),
      privateKey.subarray(0, -1),
      Buffer.concat([privateKey, Buffer.from([0])]),
      keys.privateKey.export({ format: 'der', type: 'sec1' }),
      encrypted,
    ]
    for (const der of wrong) {
      refuses('invalid-key', () => X509Svid.fromDer({ certificates, privateKey: der }))
    }
    expect.hasAssertions()
    try {
      X509Svid.fromDer({ certificates, privateKey: Buffer.concat([privateKey, Buffer.from([0])]) })
    } catch (error) {
      for (const secret of secrets()) expect(inspect(error, { depth: 9 })).not.toContain(secret)
    }
  })

  test.each<['pkcs8' | 'sec1' | 'pkcs1']>([['pkcs8'], ['sec1'], ['pkcs1']])(
    'with a key under a passphrase, which the error says: %s',
    (type) => {
      const { privateKey: own } =
        type === 'pkcs1' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : keys
      const cipher = { cipher: 'aes-256-cbc', passphrase: 'x' }
      const key = own.export({ format: 'pem', type, ...cipher } as KeyExportOptions<'pem'>)
      const chain = writePem('CERTIFICATE', leaf)
      for (const form of [key, Buffer.from(key), Buffer.from(`\ufeff${String(key)}`)]) {
        expect(() => X509Svid.fromPem({ certificates: chain, privateKey: form })).toThrow(
          expect.objectContaining({
            code: 'invalid-key',
            message: expect.stringContaining('is encrypted'),
          }),
        )
      }
    },
  )

  test('with an encrypted key in DER, which the error says', () => {
    const options = {
      format: 'der',
      type: 'pkcs8',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    } as const
    expect(() =>
      X509Svid.fromDer({ certificates: leaf, privateKey: keys.privateKey.export(options) }),
    ).toThrow(expect.objectContaining({ message: expect.stringContaining('is encrypted') }))
  })

  test('with a PEM that has no key, or two', () => {
    const pem = writePem('CERTIFICATE', leaf)
    const key = svid.exportPrivateKeyPem()
    refuses('invalid-pem', () => X509Svid.fromPem({ certificates: pem, privateKey: pem }))
    refuses('invalid-pem', () => X509Svid.fromPem({ certificates: pem, privateKey: key + key }))
  })

  test('once it has expired, not before', () => {
    expect(at(svid.notAfter).isExpired(svid.notAfter)).toBe(false)
    refuses('invalid-svid', () => at(svid.notAfter + 1))
    refuses('invalid-svid', () => at(Number.NaN))
  })
})

describe('an X.509-SVID signs', () => {
  const data = Buffer.from('eyJhbGciOiJFUzI1NiJ9.e30')

  test.each([
    ['P-256', 'ES256', 'sha256', 64],
    ['P-384', 'ES384', 'sha384', 96],
  ])(
    'with a key on %s by %s, as r and s of fixed length',
    (namedCurve, algorithm, hash, octets) => {
      const subjectKeys = generateKeyPairSync('ec', { namedCurve })
      const signer = X509Svid.fromDer({
        certificates: forge({ issuerKeys: keys, subjectKeys }),
        privateKey: subjectKeys.privateKey.export({ format: 'der', type: 'pkcs8' }),
      })
      expect(signer.jwsAlgorithm).toBe(algorithm)
      const signature = signer.sign(data)
      expect(signature).toHaveLength(octets)
      const key = { key: subjectKeys.publicKey, dsaEncoding: 'ieee-p1363' } as const
      expect(verify(hash, data, key, signature)).toBe(true)
    },
  )

  test.each([
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['P-521', generateKeyPairSync('ec', { namedCurve: 'P-521' })],
    ['Ed25519', generateKeyPairSync('ed25519')],
  ])('nothing with a key of the type %s', (_, subjectKeys) => {
    const signer = X509Svid.fromDer({
      certificates: forge({ issuerKeys: keys, subjectKeys }),
      privateKey: subjectKeys.privateKey.export({ format: 'der', type: 'pkcs8' }),
    })
    expect(signer.jwsAlgorithm).toBeNull()
    refuses('invalid-key', () => signer.sign(data))
  })
})
