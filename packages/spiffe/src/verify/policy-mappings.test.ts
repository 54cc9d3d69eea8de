import { describe, expect, test } from '@jest/globals'
import { answer, required, type PolicyShape } from './policies.test.support.ts'

type Row = readonly [title: string, ...shapes: PolicyShape[]]

describe('policies that are mapped', () => {
  test.each<Row>([
    [
      'the policy of the subject is valid',
      { ...required, policies: 'A', mappings: 'A>B' },
      { policies: 'B' },
    ],
    ['each of several', { ...required, policies: 'A', mappings: 'A>B A>C' }, { policies: 'C' }],
    ['several to one', { ...required, policies: 'AB', mappings: 'A>C B>C' }, { policies: 'C' }],
    [
      'what is not mapped stays',
      { ...required, policies: 'AB', mappings: 'A>C' },
      { policies: 'B' },
    ],
    [
      'anyPolicy is there to be mapped',
      { ...required, policies: '*', mappings: 'A>B' },
      { policies: 'B' },
    ],
    [
      'anyPolicy stays beside what is mapped',
      { ...required, policies: '*', mappings: 'A>B' },
      { policies: 'A' },
    ],
    [
      'two policies change places',
      { ...required, policies: 'AB', mappings: 'A>B B>A' },
      { policies: 'A' },
    ],
    [
      'a policy is mapped to itself',
      { ...required, policies: 'A', mappings: 'A>A' },
      { policies: 'A' },
    ],
    [
      'and mapped again',
      { ...required, policies: 'A', mappings: 'A>B' },
      { policies: 'B', mappings: 'B>C' },
      { policies: 'C' },
    ],
    [
      'anyPolicy keeps what is mapped',
      { ...required, policies: 'A', mappings: 'A>B' },
      { policies: '*' },
      { policies: 'B' },
    ],
    [
      'those of the leaf mean nothing',
      { ...required, policies: 'A' },
      { policies: 'A', mappings: 'A>B' },
    ],
  ])('%s', (_, ...shapes) => {
    expect(answer(shapes)).toBe('accepted')
  })

  test.each<Row>([
    [
      'the policy of the issuer is valid no more',
      { ...required, policies: 'A', mappings: 'A>B' },
      { policies: 'A' },
    ],
    [
      'a policy that was not valid is not there to be mapped',
      { ...required, policies: 'A', mappings: 'C>B' },
      { policies: 'B' },
    ],
    [
      'what changed places with nothing is lost',
      { ...required, policies: 'A', mappings: 'A>B B>A' },
      { policies: 'A' },
    ],
    [
      'those of the leaf make nothing valid',
      { ...required, policies: 'A' },
      { policies: 'B', mappings: 'A>B' },
    ],
    [
      'nothing is there to be mapped without policies',
      { ...required, mappings: 'A>B' },
      { policies: 'B' },
    ],
  ])('%s: refused', (_, ...shapes) => {
    expect(answer(shapes)).toBe('no-valid-policy')
  })
})

describe('mapping that is inhibited', () => {
  const mapping: PolicyShape = { policies: 'A', mappings: 'A>B' }

  test.each<[title: string, expected: string, ...shapes: PolicyShape[]]>([
    [
      'at once: the policy is lost',
      'no-valid-policy',
      { ...required, policies: 'A', inhibitPolicyMapping: 0 },
      mapping,
      { policies: 'B' },
    ],
    [
      'at once: the policy of the issuer is lost too',
      'no-valid-policy',
      { ...required, policies: 'A', inhibitPolicyMapping: 0 },
      mapping,
      { policies: 'A' },
    ],
    [
      'at once: what is not mapped stays',
      'accepted',
      { ...required, policies: 'AC', inhibitPolicyMapping: 0 },
      { ...mapping, policies: 'AC' },
      { policies: 'C' },
    ],
    [
      'at once: anyPolicy stays',
      'accepted',
      { ...required, policies: '*', inhibitPolicyMapping: 0 },
      { policies: '*', mappings: 'A>B' },
      { policies: 'B' },
    ],
    [
      'for those that follow, not for the issuer that says so',
      'accepted',
      { ...required, ...mapping, inhibitPolicyMapping: 0 },
      { policies: 'B' },
    ],
    [
      'after one certificate: the next may map',
      'accepted',
      { ...required, policies: 'A', inhibitPolicyMapping: 1 },
      mapping,
      { policies: 'B' },
    ],
    [
      'after one certificate: the one after it may not',
      'no-valid-policy',
      { ...required, policies: 'A', inhibitPolicyMapping: 1 },
      { policies: 'A' },
      mapping,
      { policies: 'B' },
    ],
    [
      'after one certificate: self-issued ones do not count',
      'accepted',
      { ...required, policies: 'A', inhibitPolicyMapping: 1 },
      { policies: 'A', isSelfIssued: true },
      mapping,
      { policies: 'B' },
    ],
    [
      'by the least that any issuer says',
      'no-valid-policy',
      { ...required, policies: 'A', inhibitPolicyMapping: 0 },
      { policies: 'A', inhibitPolicyMapping: 9 },
      mapping,
      { policies: 'B' },
    ],
  ])('%s', (_, expected, ...shapes) => {
    expect(answer(shapes)).toBe(expected)
  })
})

describe('anyPolicy that is inhibited', () => {
  test.each<[title: string, expected: string, ...shapes: PolicyShape[]]>([
    [
      'at once: it counts no more',
      'no-valid-policy',
      { ...required, policies: 'A', inhibitAnyPolicy: 0 },
      { policies: '*' },
    ],
    [
      'at once: not even for a leaf with the name of its issuer',
      'no-valid-policy',
      { ...required, policies: 'A', inhibitAnyPolicy: 0 },
      { policies: '*', isSelfIssued: true },
    ],
    [
      'at once: a policy beside it does',
      'accepted',
      { ...required, policies: 'A', inhibitAnyPolicy: 0 },
      { policies: '*A' },
    ],
    [
      'for those that follow, not for the issuer that says so',
      'accepted',
      { ...required, policies: '*', inhibitAnyPolicy: 0 },
      { policies: 'A' },
    ],
    [
      'at once: a self-issued issuer may assert it',
      'accepted',
      { ...required, policies: 'A', inhibitAnyPolicy: 0 },
      { policies: '*', isSelfIssued: true },
      { policies: 'A' },
    ],
    [
      'at once: another issuer may not',
      'no-valid-policy',
      { ...required, policies: 'A', inhibitAnyPolicy: 0 },
      { policies: '*' },
      { policies: 'A' },
    ],
    [
      'after one certificate: the next may assert it',
      'accepted',
      { ...required, policies: 'A', inhibitAnyPolicy: 1 },
      { policies: '*' },
      { policies: 'A' },
    ],
    [
      'after one certificate: the one after it may not',
      'no-valid-policy',
      { ...required, policies: 'A', inhibitAnyPolicy: 1 },
      { policies: 'A' },
      { policies: '*' },
    ],
    [
      'after one certificate: self-issued ones do not count',
      'accepted',
      { ...required, policies: 'A', inhibitAnyPolicy: 1 },
      { policies: 'A', isSelfIssued: true },
      { policies: '*' },
    ],
    [
      'by the least that any issuer says',
      'no-valid-policy',
      { ...required, policies: 'A', inhibitAnyPolicy: 0 },
      { policies: 'A', inhibitAnyPolicy: 9 },
      { policies: '*' },
    ],
  ])('%s', (_, expected, ...shapes) => {
    expect(answer(shapes)).toBe(expected)
  })
})
