import { describe, expect, test } from '@jest/globals'
import { refuses } from '../x509/x509.test.support.ts'
import { certify, party, selfSigned, svid, trusting, verdict } from './authorities.test.support.ts'

const [root, upper, lower] = [party('root'), party('upper'), party('lower')]
const [leaf, below] = [svid(lower), certify(lower, upper)]

describe('a path length', () => {
  test.each([
    ['2^31 - 1', '7fffffff'],
    ['2^31', '0080000000'],
    ['2^32', '0100000000'],
    ['2^53', '20000000000000'],
    ['2^64', '010000000000000000'],
    ['2^8000', `01${'00'.repeat(1000)}`],
  ])('of %s, like any that is longer than the path, is no bound', (_, hex) => {
    const pathLength = Buffer.from(hex, 'hex')
    const chain = [leaf, below, certify(upper, root, { pathLength })]
    expect(verdict(chain, trusting(selfSigned(root)))).toBe('accepted')
    const wide = trusting(selfSigned(root, { pathLength }))
    expect(verdict([leaf, below, certify(upper, root)], wide)).toBe('accepted')
    const narrow = trusting(selfSigned(root, { pathLength: 1 }))
    expect(verdict(chain, narrow)).toBe('path-too-long')
  })

  test.each([
    ['is negative', 'ff'],
    ['is negative and long', 'ff00000000'],
    ['is padded', '0000'],
    ['is padded and long', '000080000000'],
    ['has no octets', ''],
  ])('that %s is malformed', (_, hex) => {
    const pathLength = Buffer.from(hex, 'hex')
    refuses('invalid-certificate', () => certify(upper, root, { pathLength }))
  })
})
