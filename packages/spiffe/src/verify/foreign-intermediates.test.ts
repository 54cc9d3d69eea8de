import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { TAG } from '../der/tags.ts'
import { extension, uriName } from '../x509/x509.test.support.ts'
import { certify, party, selfSigned, svid, trusting } from './authorities.test.support.ts'
import { verifyX509Svid, type VerifyOptions } from './verify-x509-svid.ts'

const [root, middle] = [party('root'), party('middle')]
const bundles = trusting(selfSigned(root))
const named = (uri: string): Buffer =>
  extension('2.5.29.17', false, tlv(TAG.sequence, uriName(uri)))

const answer = (uri: string, options: VerifyOptions): string => {
  const chain = [svid(middle), certify(middle, root, { more: [named(uri)] })]
  const outcome = verifyX509Svid(chain, bundles, { clock: () => Date.UTC(2026, 5, 1), ...options })
  return outcome.ok ? outcome.svid.spiffeId.toString() : outcome.code
}

const given = (value: unknown): VerifyOptions =>
  JSON.parse(JSON.stringify({ allowIntermediatesOfOtherTrustDomains: value }))

describe('an intermediate of another trust domain', () => {
  test('is refused, unless that is given up in so many words', () => {
    expect(answer('spiffe://other.test', {})).toBe('issuer-id-foreign')
    for (const value of [false, null, 'true', 1]) {
      expect(answer('spiffe://other.test', given(value))).toBe('issuer-id-foreign')
    }
    expect(answer('spiffe://other.test', given(true))).toBe('spiffe://example.org/web')
  })

  test('keeps all other rules when it is let in', () => {
    const options = { allowIntermediatesOfOtherTrustDomains: true }
    expect(answer('spiffe://other.test/ca', options)).toBe('issuer-id-has-path')
    expect(answer('spiffe://other.test/', options)).toBe('issuer-id-invalid')
    const stranger = trusting(selfSigned(party('root')))
    const chain = [svid(middle), certify(middle, root, { more: [named('spiffe://other.test')] })]
    const now = { clock: () => Date.UTC(2026, 5, 1), ...options }
    expect(verifyX509Svid(chain, stranger, now)).toMatchObject({ code: 'bad-signature' })
  })
})
