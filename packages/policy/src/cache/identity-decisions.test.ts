import { describe, expect, test } from '@jest/globals'
import { IdentityDecisions } from './identity-decisions.ts'

/** Of a tenant that may have 20 decisions: 4 are probationary, 16 protected. */
const MAX = 20

function decisionsOf(...keys: (number | string)[]): IdentityDecisions {
  const decisions = new IdentityDecisions()
  for (const key of keys) decisions.set(key, 1, MAX)
  return decisions
}

const sizes = ({ size, weight }: IdentityDecisions): number[] => [size, weight]

describe('probationary decisions', () => {
  test('are a fifth of what a tenant may have; of more, the oldest goes', () => {
    const decisions = decisionsOf('a', 'b', 'c', 'd')
    expect(decisions.getProbationary('a')).toBe(1)
    decisions.set('e', 1, MAX)
    expect(decisions.getProbationary('a')).toBeUndefined()
    expect(decisions.getProbationary('b')).toBe(1)
    expect(sizes(decisions)).toEqual([4, 4])
  })

  test('are replaced by a later decision under the same key, protected or not', () => {
    const decisions = decisionsOf('a')
    decisions.set('a', 3, MAX)
    expect([decisions.getProbationary('a'), ...sizes(decisions)]).toEqual([3, 1, 1])
    decisions.protect('a', MAX)
    decisions.set('a', 4, MAX)
    expect([decisions.getProtected('a'), decisions.getProbationary('a')]).toEqual([undefined, 4])
    expect(sizes(decisions)).toEqual([1, 1])
  })

  test('of a key that outweighs them all are not kept', () => {
    const decisions = decisionsOf('a')
    const heavy = 'x'.repeat(4 * 256)
    decisions.set(heavy, 1, MAX)
    expect([decisions.getProbationary(heavy), decisions.getProbationary('a')]).toEqual([
      undefined,
      1,
    ])
    const bearable = heavy.slice(1)
    decisions.set(bearable, 1, MAX)
    expect([decisions.getProbationary(bearable), decisions.getProbationary('a')]).toEqual([
      1,
      undefined,
    ])
    expect(sizes(decisions)).toEqual([1, 4])
  })

  test('are one even where a tenant may have one only', () => {
    const decisions = new IdentityDecisions()
    decisions.set('a', 1, 1)
    expect(decisions.getProbationary('a')).toBe(1)
  })
})

describe('protected decisions', () => {
  test('are out of reach of new keys', () => {
    const decisions = decisionsOf('a')
    decisions.protect('a', MAX)
    for (let key = 0; key < 100; key++) decisions.set(`k${key}`, 1, MAX)
    expect([decisions.getProtected('a'), decisions.getProbationary('a')]).toEqual([1, undefined])
    expect(sizes(decisions)).toEqual([5, 5])
  })

  test('are four fifths of what a tenant may have; of more, the oldest goes', () => {
    const decisions = new IdentityDecisions()
    for (let key = 0; key < 17; key++) {
      decisions.set(key, 1, MAX)
      decisions.protect(key, MAX)
    }
    expect(decisions.getProtected(0)).toBeUndefined()
    expect(decisions.getProtected(1)).toBe(1)
    expect(sizes(decisions)).toEqual([16, 16])
  })

  test('do not come of keys that are not there, or that are protected already', () => {
    const decisions = decisionsOf('a')
    decisions.protect('b', MAX)
    decisions.protect('a', MAX)
    decisions.protect('a', MAX)
    expect([decisions.getProtected('a'), decisions.getProtected('b')]).toEqual([1, undefined])
    expect(sizes(decisions)).toEqual([1, 1])
  })
})

test('a key is deleted from where it is, and the rest stays', () => {
  const decisions = decisionsOf('a', 'b', 'c')
  decisions.protect('a', MAX)
  decisions.protect('b', MAX)
  decisions.delete('a')
  decisions.delete('c')
  decisions.delete('never there')
  expect(decisions.getProtected('b')).toBe(1)
  expect(sizes(decisions)).toEqual([1, 1])
  decisions.delete('b')
  expect(sizes(decisions)).toEqual([0, 0])
})
