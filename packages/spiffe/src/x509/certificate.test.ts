import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, contextTagConstructed, TAG } from '../der/tags.ts'
import { SpiffeError } from '../errors.ts'
import { Certificate } from './certificate.ts'
import { splitCertificates } from './certificates.ts'
import {
  bitString,
  commonName,
  extension,
  forge,
  leafExtensions,
  newKeyPair,
  NULL,
  oid,
  refuses,
  TRUE,
  uriName,
  version,
  type Draft,
} from './x509.test.support.ts'

const KEYS = newKeyPair()
const read = (draft: Draft): Certificate =>
  Certificate.fromDer(forge({ subjectKeys: KEYS, ...draft }))
const withExtensions = (...added: Buffer[]): Draft => ({
  extensions: [...leafExtensions(), ...added],
})

describe('a certificate', () => {
  const der = forge({ subjectKeys: KEYS })
  const certificate = Certificate.fromDer(der)
  const x509 = new X509Certificate(der)

  test('says what node:crypto says', () => {
    expect(certificate.fingerprint256).toBe(x509.fingerprint256)
    expect(certificate.serialNumber).toBe(x509.serialNumber.toLowerCase())
    expect(certificate.notBefore).toBe(Date.parse(x509.validFrom))
    expect(certificate.notAfter).toBe(Date.parse(x509.validTo))
    expect(certificate.x509.fingerprint256).toBe(x509.fingerprint256)
    expect(certificate.raw.equals(x509.raw)).toBe(true)
  })

  test('says what node:crypto does not', () => {
    expect(certificate.version).toBe(3)
    expect(certificate.uris).toEqual(['spiffe://example.org/web'])
    expect(certificate.extensions.keyUsage).toEqual({ critical: true, value: ['digitalSignature'] })
    expect(certificate.extensions.basicConstraints).toEqual({
      critical: true,
      value: { isCa: false, pathLength: undefined },
    })
    expect(certificate.signatureAlgorithm).toEqual({ keyType: 'ec', hash: 'sha256' })
    expect(certificate.publicKey.type).toBe('ec')
  })

  test('does not follow its input when that is overwritten', () => {
    const input = Buffer.from(der)
    const copy = Certificate.fromDer(input)
    input.fill(0)
    expect(copy.raw.equals(der)).toBe(true)
  })

  test('is frozen, all the way down', () => {
    const { extensions, publicKey } = certificate
    for (const part of [
      certificate,
      extensions,
      extensions.keyUsage,
      extensions.keyUsage?.value,
      certificate.signatureAlgorithm,
      extensions.subjectAltName?.value,
      extensions.subjectAltName?.value.uris,
      extensions.subjectAltName?.value.names,
      extensions.unknownCritical,
      publicKey,
    ]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
  })

  test('keeps the object of node:tls that it was made of', () => {
    const same = Certificate.fromX509(x509)
    expect(same.x509).toBe(x509)
    expect(same.equals(certificate)).toBe(true)
    expect(same.fingerprint256).toBe(certificate.fingerprint256)
  })

  test('has a short JSON', () => {
    expect(JSON.parse(JSON.stringify(certificate))).toEqual({
      uris: ['spiffe://example.org/web'],
      serialNumber: 'ff',
      fingerprint256: x509.fingerprint256,
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
    })
  })

  test('is signed by the key that signed it, and by no other', () => {
    const issuer = newKeyPair()
    const child = read({ issuerKeys: issuer })
    const authority = read({ subjectKeys: issuer })
    expect(child.isSignedBy(authority)).toBe(true)
    expect(child.isSignedBy(certificate)).toBe(false)
    expect(authority.isSignedBy(child)).toBe(false)
  })
})

describe('a serial number', () => {
  test.each([
    ['02 01 00', '00'],
    ['02 01 0a', '0a'],
    ['02 02 00 80', '80'],
    ['02 01 ff', '-01'],
    ['02 02 80 00', '-8000'],
  ])('%s is %s', (hex, text) => {
    const serialNumber = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    expect(read({ serialNumber }).serialNumber).toBe(text)
  })

  test('of more than 64 octets is refused', () => {
    read({ serialNumber: tlv(TAG.integer, Buffer.alloc(64, 1)) })
    refuses('invalid-certificate', () =>
      read({ serialNumber: tlv(TAG.integer, Buffer.alloc(65, 1)) }),
    )
  })
})

describe('what is critical and unknown', () => {
  test('is known by its identifier', () => {
    const certificate = read(
      withExtensions(
        extension('1.3.6.1.4.1.99999.1', true, NULL),
        extension('1.3.6.1.4.1.99999.2', false, NULL),
      ),
    )
    expect(certificate.extensions.unknownCritical).toEqual(['1.3.6.1.4.1.99999.1'])
  })
})

const san = extension('2.5.29.17', false, tlv(TAG.sequence, uriName('spiffe://example.org/a')))
const basicConstraints = (...content: Buffer[]): Draft => ({
  extensions: [extension('2.5.29.19', true, tlv(TAG.sequence, ...content))],
})
const sanOf = (...names: Buffer[]): Draft => ({
  extensions: [extension('2.5.29.17', false, tlv(TAG.sequence, ...names))],
})
const constraints = (...content: Buffer[]): Draft => ({
  extensions: [extension('2.5.29.30', true, tlv(TAG.sequence, ...content))],
})

describe('a certificate is refused', () => {
  test.each<[string, Draft]>([
    ['with version 1 spelled out', { version: version(0) }],
    ['with version 4', { version: version(3) }],
    ['with extensions in version 2', { version: version(1) }],
    ['with extensions in version 1', { version: Buffer.alloc(0) }],
    ['with an empty list of extensions', { extensions: [] }],
    ['with something after the extensions', { afterTbs: NULL }],
    [
      'with another algorithm outside than inside',
      { outerAlgorithm: tlv(TAG.sequence, oid('1.2.840.10045.4.3.3')) },
    ],
    ['with a signature that has unused bits', { signature: bitString(Buffer.from([0x80]), 1) }],
    [
      'with a validity of one date',
      { validity: tlv(TAG.sequence, tlv(TAG.utcTime, '200101000000Z')) },
    ],
    [
      'with a serial number that is padded',
      { serialNumber: Buffer.from([0x02, 0x02, 0x00, 0x01]) },
    ],
    ['with two SANs', withExtensions(san)],
    [
      'with an unknown extension twice',
      withExtensions(extension('1.2.3.4', false, NULL), extension('1.2.3.4', false, NULL)),
    ],
    [
      'with a critical flag of 01',
      withExtensions(extension('1.2.3.4', Buffer.from([1, 1, 1]), NULL)),
    ],
    [
      'with octets after an extension value',
      withExtensions(extension('2.5.29.14', false, Buffer.from([4, 1, 1, 0]))),
    ],
    ['with a CA flag of 01', basicConstraints(Buffer.from([0x01, 0x01, 0x01]))],
    ['with a path length but no CA flag', basicConstraints(Buffer.from([0x02, 0x01, 0x00]))],
    ['with a negative path length', basicConstraints(TRUE, Buffer.from([0x02, 0x01, 0xff]))],
    ['with a padded path length', basicConstraints(TRUE, tlv(TAG.integer, Buffer.from([0, 1])))],
    ['with an empty SAN', sanOf()],
    ['with a SAN of no known kind', sanOf(tlv(contextTag(9), 'x'))],
    [
      'with a constructed URI',
      sanOf(tlv(contextTagConstructed(6), uriName('spiffe://example.org/a'))),
    ],
    [
      'with a URI in place of an otherName',
      sanOf(tlv(contextTagConstructed(0), uriName('spiffe://example.org/a'))),
    ],
    ['with an otherName without a value', sanOf(tlv(contextTagConstructed(0), oid('1.2.3')))],
    [
      'with an otherName of two values',
      sanOf(tlv(contextTagConstructed(0), oid('1.2.3'), tlv(contextTagConstructed(0), NULL, NULL))),
    ],
    ['with an ediPartyName that holds no DER', sanOf(tlv(contextTagConstructed(5), 'text'))],
    ['with a URI that is not ASCII', sanOf(tlv(contextTag(6), 'spiffe://example.org/ä'))],
    [
      'with an empty extended key usage',
      { extensions: [extension('2.5.29.37', false, tlv(TAG.sequence))] },
    ],
    ['with empty name constraints', constraints()],
    ['with an empty list of subtrees', constraints(tlv(contextTagConstructed(0)))],
  ])('%s', (_, draft) => {
    read({})
    refuses('invalid-certificate', () => read(draft))
  })

  test('when it is followed by an octet, cut off, or PEM', () => {
    const der = forge({ subjectKeys: KEYS })
    refuses('invalid-certificate', () =>
      Certificate.fromDer(Buffer.concat([der, Buffer.from([0])])),
    )
    refuses('invalid-certificate', () => Certificate.fromDer(der.subarray(0, -1)))
    refuses('invalid-certificate', () => Certificate.fromDer(new Uint8Array(0)))
    const pem = new X509Certificate(der).toString()
    refuses('invalid-certificate', () => Certificate.fromDer(Buffer.from(pem)))
  })

  test('when its length is indefinite', () => {
    const der = forge({ subjectKeys: KEYS })
    const content = der.subarray(4)
    const ber = Buffer.concat([Buffer.from([0x30, 0x80]), content, Buffer.from([0, 0])])
    expect(new X509Certificate(ber).raw.equals(der)).toBe(true)
    refuses('invalid-certificate', () => Certificate.fromDer(ber))
  })

  test('by an error that keeps its cause and shows none of the octets', () => {
    const input = Buffer.from('secret')
    const act = (): unknown => Certificate.fromDer(input)
    expect(act).toThrow(expect.objectContaining({ cause: expect.any(SpiffeError) }))
    expect(act).not.toThrow(/secret|736563/)
  })
})

describe('what is odd but clear is read', () => {
  test('a version 1 certificate without extensions', () => {
    const certificate = read({ version: Buffer.alloc(0), extensionList: Buffer.alloc(0) })
    expect(certificate.version).toBe(1)
    expect(certificate.isCertificateAuthority).toBe(false)
  })

  test('unique identifiers', () => {
    const uniqueIds = tlv(contextTag(1), Buffer.from([0, 1]))
    expect(read({ uniqueIds }).uris).toHaveLength(1)
  })

  test('names of other kinds beside the URI', () => {
    const names = [tlv(contextTag(2), 'example.org'), uriName('spiffe://example.org/a')]
    const extensions = [extension('2.5.29.17', true, tlv(TAG.sequence, ...names))]
    expect(read({ extensions }).extensions.subjectAltName).toEqual({
      critical: true,
      value: {
        uris: ['spiffe://example.org/a'],
        names: [
          { form: 'dns', text: 'example.org' },
          { form: 'uri', text: 'spiffe://example.org/a' },
        ],
      },
    })
  })

  test('URIs octet for octet, whatever they hold', () => {
    const uri = 'spiffe://Example.org/a/../b,\n"c"\u0000'
    const extensions = [extension('2.5.29.17', false, tlv(TAG.sequence, uriName(uri)))]
    expect(read({ extensions }).uris).toEqual([uri])
  })
})

describe('concatenated certificates', () => {
  const der = forge({ subjectKeys: KEYS })
  const other = forge({ subject: commonName('other') })

  test('are split by their own lengths', () => {
    const split = splitCertificates(Buffer.concat([der, other, der]))
    expect(split.map(({ raw }) => raw.toString('hex'))).toEqual(
      [der, other, der].map((raw) => raw.toString('hex')),
    )
    expect(splitCertificates(new Uint8Array(0))).toEqual([])
  })

  test('are refused with octets after them, or cut off', () => {
    refuses('invalid-der', () => splitCertificates(Buffer.concat([der, Buffer.from([0])])))
    refuses('invalid-der', () => splitCertificates(Buffer.concat([der, other.subarray(0, -1)])))
    refuses('invalid-der', () => splitCertificates(Buffer.concat([der, Buffer.from('junk')])))
  })

  test('are refused with an element that is no certificate', () => {
    refuses('invalid-certificate', () => splitCertificates(Buffer.concat([der, tlv(TAG.sequence)])))
  })

  test('are refused when they are too many', () => {
    const three = Buffer.concat([der, other, der])
    expect(splitCertificates(three, 3)).toHaveLength(3)
    refuses('invalid-der', () => splitCertificates(three, 2))
    refuses('invalid-der', () => splitCertificates(three, Number.NaN))
  })
})
