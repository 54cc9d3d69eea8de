import { describe, expect, test } from '@jest/globals'
import { extension, NULL } from '../x509/x509.test.support.ts'
import { certify, party, selfSigned, svid, trusting, verdict } from './authorities.test.support.ts'

const root = party('root')
const middle = party('middle')
const bundles = trusting(selfSigned(root))

describe('an extension that is not evaluated is refused when critical, and passed over when not', () => {
  test.each([
    ['issuer alternative names', '2.5.29.18'],
    ['certificate policies', '2.5.29.32'],
    ['policy mappings', '2.5.29.33'],
    ['policy constraints', '2.5.29.36'],
    ['inhibit anyPolicy', '2.5.29.54'],
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
