import { expect, test } from '@jest/globals'
import { Certificate } from './certificate.ts'
import { forge, name, refuses, TRUE } from './x509.test.support.ts'

test('a certificate that OpenSSL does not take has no object of node:crypto, and signs nothing', () => {
  // An attribute whose value is a BOOLEAN.
  const odd = Certificate.fromDer(forge({ subject: name(['2.5.4.3', TRUE]) }))
  refuses('invalid-certificate', () => odd.x509)
  expect(() => odd.x509).toThrow(expect.objectContaining({ cause: expect.anything() }))
  expect(odd.isSignedBy(odd)).toBe(false)
})
