import { describe, expect, test } from '@jest/globals'
import { answer, required, type PolicyShape } from './policies.test.support.ts'

type Row = readonly [title: string, ...shapes: PolicyShape[]]

describe('without an issuer that requires a policy none has to be valid', () => {
  test.each<Row>([
    ['no policies at all', {}, {}],
    ['the same policy throughout', { policies: 'A' }, { policies: 'A' }],
    ['different policies', { policies: 'A' }, { policies: 'B' }],
    ['a policy of the leaf alone', {}, { policies: 'A' }],
    ['policies of the issuers alone', { policies: 'A' }, { policies: 'A' }, {}],
    ['a mapping that leads nowhere', { policies: 'A', mappings: 'B>C' }, { policies: 'B' }],
    ['anyPolicy, inhibited', { policies: 'A', inhibitAnyPolicy: 0 }, { policies: '*' }],
    [
      'a mapping, inhibited',
      { policies: 'A', inhibitPolicyMapping: 0 },
      { policies: 'A', mappings: 'A>B' },
      { policies: 'B' },
    ],
    ['a leaf that inhibits', { policies: 'A' }, { policies: 'B', inhibitAnyPolicy: 0 }],
  ])('%s', (_, ...shapes) => {
    expect(answer(shapes)).toBe('accepted')
  })
})

describe('where an issuer requires a policy', () => {
  test.each<Row>([
    ['one that all certificates assert', { ...required, policies: 'A' }, { policies: 'A' }],
    ['one of several', { ...required, policies: 'AB' }, { policies: 'BC' }, { policies: 'CB' }],
    ['anyPolicy of the issuer', { ...required, policies: '*' }, { policies: 'A' }],
    ['anyPolicy of the leaf', { ...required, policies: 'A' }, { policies: '*' }],
    ['anyPolicy throughout', { ...required, policies: '*' }, { policies: '*' }, { policies: '*' }],
    ['anyPolicy beside another', { ...required, policies: 'A*' }, { policies: 'B' }],
    [
      'anyPolicy that keeps what was valid',
      { ...required, policies: 'A' },
      { policies: 'B*' },
      { policies: 'A' },
    ],
    [
      'anyPolicy that keeps what was valid, and the other',
      { ...required, policies: 'AB' },
      { policies: 'B*' },
      { policies: 'B' },
    ],
  ])('%s is valid', (_, ...shapes) => {
    expect(answer(shapes)).toBe('accepted')
  })

  test.each<Row>([
    ['nobody asserts one', required, {}],
    ['the leaf asserts none', { ...required, policies: 'A' }, {}],
    ['the leaf asserts another', { ...required, policies: 'A' }, { policies: 'B' }],
    ['the issuer asserts none', required, { policies: 'A' }],
    ['an issuer between asserts none', { ...required, policies: 'A' }, {}, { policies: 'A' }],
    [
      'an issuer between asserts another',
      { ...required, policies: 'A' },
      { policies: 'B' },
      { policies: 'A' },
    ],
    ['every certificate requires one, the leaf too', required, required],
    ['one above asserts none', {}, { ...required, policies: 'A' }, { policies: 'A' }],
    [
      'an issuer between asserts none, and anyPolicy follows',
      { ...required, policies: '*' },
      {},
      { policies: '*' },
    ],
    [
      'anyPolicy does not widen what was valid',
      { ...required, policies: 'A' },
      { policies: '*' },
      { policies: 'B' },
    ],
  ])('%s: refused', (_, ...shapes) => {
    expect(answer(shapes)).toBe('no-valid-policy')
  })

  test('the same chain without policies is not refused', () => {
    expect(answer([{}, {}])).toBe('accepted')
  })
})

describe('the number of certificates until a policy is required', () => {
  test.each<[skip: number, expected: string]>([
    [0, 'no-valid-policy'],
    [1, 'no-valid-policy'],
    [2, 'no-valid-policy'],
    // RFC 5280 §6.1.5 a: the leaf counts, so that 3 is beyond it.
    [3, 'accepted'],
    [127, 'accepted'],
  ])('%d above two issuers and a leaf', (skip, expected) => {
    expect(answer([{ requireExplicitPolicy: skip }, {}, {}])).toBe(expected)
  })

  test('does not count self-issued certificates', () => {
    const skipping = { requireExplicitPolicy: 2 }
    expect(answer([skipping, {}])).toBe('accepted')
    expect(answer([skipping, {}, {}])).toBe('no-valid-policy')
    expect(answer([skipping, { isSelfIssued: true }, {}])).toBe('accepted')
  })

  test('counts the leaf, self-issued or not (RFC 5280 §6.1.5 a)', () => {
    expect(answer([{ requireExplicitPolicy: 1 }, { policies: 'A' }])).toBe('no-valid-policy')
    const leaf = { policies: 'A', isSelfIssued: true }
    expect(answer([{ requireExplicitPolicy: 1 }, leaf])).toBe('no-valid-policy')
    expect(answer([{ requireExplicitPolicy: 2 }, leaf])).toBe('accepted')
  })

  test('is the least that any issuer says', () => {
    expect(answer([{ requireExplicitPolicy: 5 }, { requireExplicitPolicy: 0 }, {}])).toBe(
      'no-valid-policy',
    )
    expect(answer([{ requireExplicitPolicy: 0 }, { requireExplicitPolicy: 5 }, {}])).toBe(
      'no-valid-policy',
    )
    expect(answer([{ requireExplicitPolicy: 9 }, { requireExplicitPolicy: 5 }, {}])).toBe(
      'accepted',
    )
  })

  test('counts in the leaf when it is zero, and not otherwise (RFC 5280 §6.1.5 b)', () => {
    expect(answer([{}, { requireExplicitPolicy: 0 }])).toBe('no-valid-policy')
    expect(answer([{}, { requireExplicitPolicy: 0, policies: 'A' }])).toBe('no-valid-policy')
    expect(answer([{ policies: 'A' }, { requireExplicitPolicy: 0, policies: 'A' }])).toBe(
      'accepted',
    )
    expect(answer([{}, { requireExplicitPolicy: 1 }])).toBe('accepted')
  })

  test('of any size is read', () => {
    expect(answer([{ requireExplicitPolicy: 127 }, { inhibitAnyPolicy: 127 }, {}])).toBe('accepted')
  })
})
