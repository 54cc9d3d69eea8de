import { describe, expect, test } from '@jest/globals'
import { extension, NULL } from '../x509/x509.test.support.ts'
import { policyExtensions } from './policies.test.support.ts'
import { certify, party, selfSigned, svid, trusting, verdict } from './authorities.test.support.ts'

const root = party('root')
const middle = party('middle')
const bundles = trusting(selfSigned(root))

describe('an extension that is not evaluated is refused when critical, and passed over when not', () => {
  test.each([
    ['issuer alternative names', '2.5.29.18'],
    ['CRL distribution points', '2.5.29.31'],
    ['freshest CRL', '2.5.29.46'],
    ['authority information access', '1.3.6.1.5.5.7.1.1'],
    ['subject information access', '1.3.6.1.5.5.7.1.11'],
    ['subject directory attributes', '2.5.29.9'],
    ['private key usage period', '2.5.29.16'],
    ['one that nobody knows', '1.3.6.1.4.1.99999.1'],
  ])('%s', (_, type) => {
    const answers = (critical: boolean): string[] => {
      const more = [extension(type, critical, NULL)]
      return [
        verdict([svid(root, { more })], bundles),
        verdict([svid(middle), certify(middle, root, { more })], bundles),
        verdict([svid(root)], trusting(selfSigned(root, { more }))),
      ]
    }
    expect(new Set(answers(false))).toEqual(new Set(['accepted']))
    expect(new Set(answers(true))).toEqual(new Set(['unknown-critical-extension']))
  })
})

test('certificate policies and what restricts them are evaluated, critical as they are', () => {
  const shape = {
    policies: 'A',
    requireExplicitPolicy: 0,
    inhibitPolicyMapping: 0,
    inhibitAnyPolicy: 0,
  }
  const more = policyExtensions(shape)
  const mapping = policyExtensions({ policies: 'A', mappings: 'A>A' })
  expect(verdict([svid(root, { more })], bundles)).toBe('accepted')
  expect(verdict([svid(middle, { more }), certify(middle, root, { more })], bundles)).toBe(
    'accepted',
  )
  expect(verdict([svid(root, { more })], trusting(selfSigned(root, { more })))).toBe('accepted')
  expect(verdict([svid(middle), certify(middle, root, { more: mapping })], bundles)).toBe(
    'accepted',
  )
})
