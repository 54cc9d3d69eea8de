// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { describe, expect, test } from '@jest/globals'
import { TenantPartition } from './tenant-partition.ts'

const GENERATION = { epoch: 0, policyVersion: 0 }

/** A partition for ten decisions, of which two may be probationary, at a time that stands. */
function partitionOf(maxDecisions = 10, now = 1000) {
  const partition = new TenantPartition('acme', GENERATION, maxDecisions, now)
  const put = (identity: string, key: number | string = 0): void =>
    partition.set({ identity, key }, true, now, now + 1000)
  const use = (identity: string, key: number | string = 0): boolean | undefined =>
    partition.get({ identity, key }, now, 0)
  /** Whether it is there, without a use of it. */
  const has = (identity: string, key: number | string = 0): boolean =>
    partition.last({ identity, key }, now, 0) !== undefined
  const putAndUse = (identity: string, key: number | string = 0): void => {
    put(identity, key)
    use(identity, key)
  }
  return { partition, put, use, has, putAndUse }
}

const A = { identity: 'a', key: 0 }

describe('a decision', () => {
  test.each([true, false])('that allows: %p is what was decided, until it ends', (allowed) => {
    const { partition } = partitionOf()
    partition.set(A, allowed, 1000, 1500)
    expect(partition.get(A, 1499, 0)).toBe(allowed)
    expect(partition.get(A, 1500, 0)).toBeUndefined()
    expect(partition.size).toBe(0)
  })

  test('is that of its identity and its key alone', () => {
    const { use, put, partition } = partitionOf()
    put('a', 1)
    expect([use('a', 2), use('b', 1), use('a', '1'), use('a', 1)]).toEqual([
      undefined,
      undefined,
      undefined,
      true,
    ])
    expect(partition.last({ identity: 'a', key: 2 }, 1000, 1000)).toBeUndefined()
    expect(partition.last({ identity: 'b', key: 1 }, 1000, 1000)).toBeUndefined()
  })

  test('that has ended is kept for as long as it may be used stale, and is not found otherwise', () => {
    const { partition } = partitionOf()
    partition.set(A, true, 1000, 1500)
    expect(partition.get(A, 1599, 100)).toBeUndefined()
    expect(partition.last(A, 1599, 100)).toBe(true)
    expect(partition.last(A, 1600, 100)).toBeUndefined()
    expect(partition.size).toBe(1)
    expect(partition.get(A, 1600, 100)).toBeUndefined()
    expect(partition.size).toBe(0)
  })

  test('that was protected is the last one too', () => {
    const { partition, putAndUse } = partitionOf()
    putAndUse('a')
    expect(partition.last(A, 2099, 100)).toBe(true)
    expect(partition.last(A, 2100, 100)).toBeUndefined()
  })

  test('replaces the one before it, whether that is protected or not', () => {
    const { partition, putAndUse } = partitionOf()
    putAndUse('a')
    partition.set(A, false, 1000, 1500)
    expect(partition.get(A, 1000, 0)).toBe(false)
    partition.set(A, true, 1000, 1200)
    expect(partition.get(A, 1100, 0)).toBe(true)
    expect(partition.get(A, 1200, 0)).toBeUndefined()
  })

  test('ends no later than it should where clocks have fractions', () => {
    const partition = new TenantPartition('acme', GENERATION, 10, 0.5)
    partition.set(A, true, 0.5, 10.9)
    expect(partition.get(A, 10.4, 0)).toBe(true)
    expect(partition.get(A, 10.5, 0)).toBeUndefined()
  })

  test('ends after 2^29 ms at the latest', () => {
    const { partition } = partitionOf()
    partition.set(A, true, 1000, Number.MAX_SAFE_INTEGER)
    expect(partition.get(A, 1000 + 2 ** 29 - 1, 0)).toBe(true)
    expect(partition.get(A, 1000 + 2 ** 29, 0)).toBeUndefined()
  })

  test('that ends 2^30 ms after the first moment leaves no other, which would end anew', () => {
    const { partition } = partitionOf()
    const limit = 1000 + 2 ** 30 - 1
    partition.set(A, true, limit - 10, limit)
    expect(partition.get(A, limit - 1, 0)).toBe(true)
    partition.set({ identity: 'b', key: 0 }, true, limit - 1, limit)
    expect(partition.size).toBe(2)
    partition.set({ identity: 'c', key: 0 }, true, limit - 1, limit + 1)
    expect(partition.size).toBe(1)
    expect(partition.get({ identity: 'c', key: 0 }, limit, 0)).toBe(true)
    expect(partition.get({ identity: 'c', key: 0 }, limit + 1, 0)).toBeUndefined()
  })

  test('has its room after such a moment', () => {
    const { partition } = partitionOf()
    const later = 1000 + 2 ** 30
    const identities = Array.from({ length: 10 }, (_, index) => `i${index}`)
    for (const identity of identities.slice(0, 8)) {
      partition.set({ identity, key: 0 }, true, 1000, 2000)
      partition.get({ identity, key: 0 }, 1000, 0)
    }
    for (const identity of identities.slice(8)) {
      partition.set({ identity, key: 0 }, true, 1000, 2000)
    }
    for (const identity of identities) {
      partition.set({ identity, key: 0 }, true, later, later + 1000)
      if (!/[89]/.test(identity)) partition.get({ identity, key: 0 }, later, 0)
    }
    expect(partition.size).toBe(10)
  })
})

describe('identities that have not been used again', () => {
  test('have a fifth of the capacity; of more, the least recently used goes', () => {
    const { put, has, partition } = partitionOf()
    for (const identity of ['a', 'b', 'c']) put(identity)
    expect(['a', 'b', 'c'].map((identity) => has(identity))).toEqual([false, true, true])
    put('b', 1)
    expect(['b', 'c'].map((identity) => has(identity))).toEqual([true, false])
    expect(partition.size).toBe(2)
  })

  test('go by the weight of their keys', () => {
    const { put, has } = partitionOf(20)
    put('a')
    put('b')
    put('c', 'x'.repeat(256))
    expect([has('a'), has('b')]).toEqual([true, true])
    put('d')
    expect([has('a'), has('b')]).toEqual([false, true])
    put('e', 'x'.repeat(700))
    expect(['b', 'c', 'd'].map((identity) => has(identity))).toEqual([false, false, true])
  })

  test('evict none that has been used again', () => {
    const { put, putAndUse, has } = partitionOf()
    putAndUse('a')
    for (let index = 0; index < 100; index++) put(`i${index}`)
    expect([has('a'), has('i97'), has('i98'), has('i99')]).toEqual([true, false, true, true])
  })

  test('are those that were refused, however often they ask', () => {
    const { partition, put, has } = partitionOf()
    partition.set(A, false, 1000, 2000)
    for (let times = 0; times < 3; times++) partition.get(A, 1000, 0)
    put('b')
    put('c')
    expect(has('a')).toBe(false)
  })

  test('are one even where a tenant may have one decision only', () => {
    const { put, has } = partitionOf(1)
    put('a')
    expect(has('a')).toBe(true)
    put('b')
    expect([has('a'), has('b')]).toEqual([false, true])
  })
})

describe('identities that have been used again', () => {
  const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `p${at}`)

  test('have what is left; of more, the least recently used goes', () => {
    const { put, putAndUse, use, has, partition } = partitionOf()
    for (const name of names(8)) putAndUse(name)
    put('a')
    put('b')
    expect(partition.size).toBe(10)
    use('p0')
    putAndUse('p8')
    // The new one took the place of a probationary one.
    expect(partition.size).toBe(10)
    expect(['a', 'b', 'p0', 'p1', 'p8'].map((name) => has(name))).toEqual([
      false,
      true,
      true,
      true,
      true,
    ])
    put('c')
    expect(['b', 'c', 'p0', 'p1', 'p2'].map((name) => has(name))).toEqual([
      true,
      true,
      true,
      false,
      true,
    ])
  })

  test('make room by what they weigh, for as long as new ones come', () => {
    const { putAndUse, partition } = partitionOf()
    for (const name of names(1000)) {
      putAndUse(name)
      expect(partition.size).toBeLessThanOrEqual(10)
    }
    expect(partition.size).toBe(10)
    // Their keys count with them.
    for (const key of [1, 2, 3]) putAndUse('p999', key)
    expect(partition.size).toBe(10)
  })

  test('take no room of the others for their further keys', () => {
    const { put, putAndUse, has } = partitionOf()
    putAndUse('p')
    for (const key of [1, 2]) put('p', key)
    for (const identity of ['a', 'b']) put(identity)
    expect(['a', 'b'].map((identity) => has(identity))).toEqual([true, true])
  })

  test('leave their room to others when their decisions have ended', () => {
    const { partition, putAndUse } = partitionOf()
    for (const name of names(10)) putAndUse(name)
    for (const name of names(10)) partition.get({ identity: name, key: 0 }, 2000, 0)
    expect(partition.size).toBe(0)
    for (const identity of names(10)) {
      partition.set({ identity, key: 0 }, true, 2000, 3000)
      partition.get({ identity, key: 0 }, 2000, 0)
    }
    expect(partition.size).toBe(10)
  })

  test('keep their other decisions when one of them has ended', () => {
    const { partition, use } = partitionOf()
    partition.set(A, true, 1000, 1100)
    partition.get(A, 1000, 0)
    partition.set({ identity: 'a', key: 1 }, true, 1000, 3000)
    expect(partition.get(A, 1100, 0)).toBeUndefined()
    expect(use('a', 1)).toBe(true)
    expect(partition.size).toBe(1)
  })
})

test('probationary identities leave their room to others when their decisions have ended', () => {
  const { partition } = partitionOf()
  for (const identity of ['a', 'b']) {
    partition.set({ identity, key: 0 }, true, 1000, 1100)
    partition.get({ identity, key: 0 }, 1100, 0)
  }
  for (const identity of ['c', 'd']) partition.set({ identity, key: 0 }, true, 1100, 1200)
  expect(partition.size).toBe(2)
})
