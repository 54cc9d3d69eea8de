import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { contextTag, TAG } from '../der/tags.ts'
import { Certificate } from './certificate.ts'
import { RevocationList } from './revocation-list.ts'
import { isHost } from './subtree-base.ts'
import { extension, forge, oid, refuses } from './x509.test.support.ts'

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

const read = (...extensions: Buffer[]): Certificate => Certificate.fromDer(forge({ extensions }))

describe('a certificate', () => {
  test('has the fingerprint that OpenSSL gives it, whoever computes it', () => {
    const der = forge()
    const x509 = new X509Certificate(der)
    expect(Certificate.fromDer(der).fingerprint256).toBe(x509.fingerprint256)
    expect(Certificate.fromX509(x509).fingerprint256).toBe(x509.fingerprint256)
  })

  test('of version 1 has no extension that is critical and unknown', () => {
    const certificate = Certificate.fromDer(
      forge({ version: Buffer.alloc(0), extensionList: Buffer.alloc(0) }),
    )
    expect(certificate.extensions).toEqual({ unknownCritical: [] })
  })

  test('may mark key identifiers as critical: they are understood', () => {
    const keyId = Buffer.from('beef', 'hex')
    const { extensions } = read(
      extension('2.5.29.14', true, tlv(TAG.octetString, keyId)),
      extension('2.5.29.35', true, tlv(TAG.sequence, tlv(contextTag(0), keyId))),
    )
    expect(extensions).toMatchObject({
      subjectKeyId: { critical: true, value: 'beef' },
      authorityKeyId: { critical: true, value: 'beef' },
      unknownCritical: [],
    })
  })

  test('lists the purposes of its extended key usage, in order', () => {
    const purposes = tlv(TAG.sequence, oid(SERVER_AUTH), oid(CLIENT_AUTH))
    expect(read(extension('2.5.29.37', false, purposes)).extensions.extendedKeyUsage).toEqual({
      critical: false,
      value: [SERVER_AUTH, CLIENT_AUTH],
    })
  })

  test('with a URI of the octet 80 is refused', () => {
    const uri = Buffer.concat([Buffer.from('spiffe://example.org/'), Buffer.from([0x80])])
    refuses('invalid-certificate', () =>
      read(extension('2.5.29.17', false, tlv(TAG.sequence, tlv(contextTag(6), uri)))),
    )
  })
})

describe('a host by its full name', () => {
  test.each(['1.2.3.4', '10.2.3.4', '1.22.3.4', '1.2.33.4', '1.2.3.44'])(
    'is not %s, an address',
    (text) => expect(isHost(text)).toBe(false),
  )

  test.each(['a1.2.3.4', '1.2.3.4a', '1.2.3.4.example.org', '1.2.3'])('is %s', (text) =>
    expect(isHost(text)).toBe(true),
  )
})

test('the error for a revocation list that cannot be read keeps its cause', () => {
  expect(() => RevocationList.fromDer(Buffer.from('junk'))).toThrow(
    expect.objectContaining({ code: 'invalid-revocation-list', cause: expect.anything() }),
  )
})
