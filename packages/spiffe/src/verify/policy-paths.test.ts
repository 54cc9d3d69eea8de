import { describe, expect, test } from '@jest/globals'
import { tlv } from '../der/der.test.support.ts'
import { TAG } from '../der/tags.ts'
import type { Certificate } from '../x509/certificate.ts'
import { extension, oid } from '../x509/x509.test.support.ts'
import {
  certify,
  party,
  selfSigned,
  svid,
  trusting,
  verdict,
  type Party,
} from './authorities.test.support.ts'
import {
  chainBelow,
  policiesOf,
  policyExtensions,
  policyOid,
  required,
  type PolicyShape,
} from './policies.test.support.ts'

const root = party('root')
const bundles = trusting(selfSigned(root))

const below = (anchor: PolicyShape, ...shapes: PolicyShape[]): string =>
  verdict(chainBelow(root, shapes), trusting(selfSigned(root, { more: policyExtensions(anchor) })))

describe('an anchor', () => {
  test('that names no policy stands for all of them', () => {
    expect(below({}, { ...required, policies: 'A' }, { policies: 'A' })).toBe('accepted')
    expect(below(required, { policies: 'A' }, { policies: 'A' })).toBe('accepted')
  })

  test('binds by what it restricts, as by its name constraints (RFC 5280 §6.2)', () => {
    expect(below(required, {})).toBe('no-valid-policy')
    expect(below({ ...required, policies: 'A' }, { policies: 'B' })).toBe('no-valid-policy')
    expect(below({ ...required, policies: 'A' }, { policies: 'A' })).toBe('accepted')
    expect(below({ ...required, policies: 'A', mappings: 'A>B' }, { policies: 'B' })).toBe(
      'accepted',
    )
    expect(below({ ...required, policies: 'A', mappings: 'A>B' }, { policies: 'A' })).toBe(
      'no-valid-policy',
    )
    expect(below({ ...required, inhibitAnyPolicy: 0 }, { policies: '*' })).toBe('no-valid-policy')
    const noMapping = { ...required, inhibitPolicyMapping: 0 }
    expect(below(noMapping, { policies: 'A', mappings: 'A>B' }, { policies: 'B' })).toBe(
      'no-valid-policy',
    )
  })

  test('that names policies and requires none refuses nobody', () => {
    expect(below({ policies: 'A' }, { policies: 'B' }, {})).toBe('accepted')
  })
})

describe('a path without a valid policy is no end of the search', () => {
  const middle = party('middle')
  const demanding = policyExtensions({ ...required, policies: 'A' })
  const leaf = svid(middle, { more: policyExtensions({ policies: 'B' }) })

  test('another certificate of the same authority is tried', () => {
    const [strict, lenient] = [certify(middle, root, { more: demanding }), certify(middle, root)]
    expect(verdict([leaf, strict], bundles)).toBe('no-valid-policy')
    for (const sent of [
      [strict, lenient],
      [lenient, strict],
    ]) {
      expect(verdict([leaf, ...sent], bundles)).toBe('accepted')
    }
  })

  test('another authority of the bundle is tried', () => {
    const anchors = [selfSigned(root, { more: demanding }), selfSigned(root)]
    const sent = [leaf, certify(middle, root)]
    expect(verdict(sent, trusting(anchors[0]!))).toBe('no-valid-policy')
    expect(verdict(sent, trusting(...anchors))).toBe('accepted')
    expect(verdict(sent, trusting(...anchors.toReversed()))).toBe('accepted')
  })

  test('another way to an authority that was led on from already is tried', () => {
    const upper = party('upper')
    const shared = certify(upper, root)
    const strict = certify(middle, upper, { more: demanding })
    const lenient = certify(middle, upper)
    for (const sent of [
      [strict, lenient],
      [lenient, strict],
    ]) {
      expect(verdict([leaf, ...sent, shared], bundles)).toBe('accepted')
    }
    expect(verdict([leaf, strict, shared], bundles)).toBe('no-valid-policy')
  })
})

/** Policies that nobody else names. */
const manyPolicies = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => oid(`1.3.6.1.${index}`))

const asserting = (policies: readonly Buffer[]): Buffer =>
  policiesOf(...policies.map((policy) => tlv(TAG.sequence, policy)))

/** Each of them for each. */
const mappingAll = (policies: readonly Buffer[]): Buffer => {
  const pairs = policies.flatMap((one) => policies.map((other) => tlv(TAG.sequence, one, other)))
  return extension('2.5.29.33', true, tlv(TAG.sequence, ...pairs))
}

describe('the work for policies', () => {
  test('grows with the octets that were sent, not with the ways through the mappings', () => {
    // Each level has 24 policies, which are all mapped to all: 24^20 ways through a tree.
    const policies = manyPolicies(24)
    const each = [asserting(policies), mappingAll(policies)]
    const chain = ladder(20, each)
    const before = process.cpuUsage()
    expect(
      verdict(
        [svid(chain.issuer, { more: [asserting(policies.slice(0, 1))] }), ...chain.issuers],
        demanding,
        ROOM,
      ),
    ).toBe('accepted')
    expect(
      verdict(
        [svid(chain.issuer, { more: policyExtensions({ policies: 'A' }) }), ...chain.issuers],
        demanding,
        ROOM,
      ),
    ).toBe('no-valid-policy')
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1000).toBeLessThan(1000)
  })

  test('is bounded on one path', () => {
    const policies = manyPolicies(4000)
    const leafOf = (issuer: Party): Certificate =>
      svid(issuer, { more: [asserting(policies.slice(-1))] })
    const answer = (issuers: number): string => {
      const steps = ladder(issuers, [asserting(policies)])
      return verdict([leafOf(steps.issuer), ...steps.issuers], demanding, ROOM)
    }
    // What was valid so far, and what is asserted, for each: 48,000 and 56,000.
    expect(answer(6)).toBe('accepted')
    expect(answer(7)).toBe('no-valid-policy')
  })

  test('is bounded in one verification, all of its paths together', () => {
    const policies = manyPolicies(1000)
    const { issuer, parties } = ladder(3, [])
    const leaf = svid(issuer, { more: policyExtensions({ policies: 'A' }) })
    const namesake = (more: Buffer[], pathLength: number): Certificate =>
      certify(parties[0]!, root, { more, pathLength })
    const answer = (wrongWays: number): string => {
      const wrong = Array.from({ length: wrongWays }, (_, index) =>
        namesake([asserting(policies)], index + 20),
      )
      const way = parties
        .slice(1)
        .map((subject, index) =>
          certify(subject, parties[index]!, { more: [asserting([...policies, policyOid('A')])] }),
        )
      const good = namesake(policyExtensions({ policies: 'A' }), 10)
      return verdict([leaf, ...way.toReversed(), ...wrong, good], demanding, ROOM)
    }
    expect(answer(3)).toBe('accepted')
    expect(answer(40)).toBe('no-valid-policy')
  })
})

const ROOM = { maxCertificates: 400, maxBytes: 1_000_000 }
const demanding = trusting(selfSigned(root, { more: policyExtensions(required) }))

/** Issuers below the root, each with those extensions. */
function ladder(
  count: number,
  more: readonly Buffer[],
): {
  readonly issuer: Party
  readonly parties: readonly Party[]
  readonly issuers: Certificate[]
} {
  const parties = Array.from({ length: count }, (_, index) => party(`step ${index}`))
  const issuers = parties.map((subject, index) =>
    certify(subject, parties[index - 1] ?? root, { more }),
  )
  return { issuer: parties.at(-1)!, parties, issuers }
}
