import { describe, expect, test } from '@jest/globals'
import { FairCache } from './fair-cache.ts'

function fill(cache: FairCache<number>, group: string, count: number): void {
  for (let number = 0; number < count; number++) cache.set(group, `${group}${number}`, number)
}

function countOf(cache: FairCache<number>, group: string, count: number): number {
  return Array.from({ length: count }, (_, number) => cache.peek(`${group}${number}`)).filter(
    (value) => value !== undefined,
  ).length
}

describe('a cache that groups share', () => {
  test('evicts the least recently used value of a group that is full, and nothing of another', () => {
    const cache = new FairCache<number>({ maxWeight: 9, maxGroupWeight: 3 })
    fill(cache, 'a', 3)
    fill(cache, 'b', 3)
    expect(cache.get('a0')).toBe(0)
    cache.set('a', 'more', 7)
    expect([cache.peek('a0'), cache.peek('a1'), cache.peek('a2')]).toEqual([0, undefined, 2])
    expect(countOf(cache, 'b', 3)).toBe(3)
    expect(cache.size).toBe(6)
  })

  test('does not count a peek as a use', () => {
    const cache = new FairCache<number>({ maxWeight: 2 })
    fill(cache, 'a', 2)
    cache.peek('a0')
    cache.set('a', 'more', 7)
    expect(cache.peek('a0')).toBeUndefined()
  })

  test('lets a group have all while it is alone, and makes the heaviest give way to others', () => {
    const cache = new FairCache<number>({ maxWeight: 10 })
    fill(cache, 'a', 10)
    expect(countOf(cache, 'a', 10)).toBe(10)
    fill(cache, 'b', 100)
    expect([countOf(cache, 'a', 10), countOf(cache, 'b', 100), cache.size]).toEqual([5, 5, 10])
    fill(cache, 'c', 1)
    expect(cache.peek('c0')).toBe(0)
    expect(cache.size).toBe(10)
  })

  test('lets a new group in where as many as there is room for have one value each', () => {
    const cache = new FairCache<number>({ maxWeight: 3 })
    for (const group of ['a', 'b', 'c']) cache.set(group, group, 1)
    expect(cache.set('d', 'd', 1)).toBe(true)
    expect(['a', 'b', 'c', 'd'].map((key) => cache.peek(key))).toEqual([undefined, 1, 1, 1])
    cache.set('d', 'more', 2)
    expect(['b', 'c', 'd'].map((key) => cache.peek(key))).toEqual([1, 1, undefined])
  })

  test('counts the weight of values, and keeps none that is heavier than its group may be', () => {
    const cache = new FairCache<number>({
      maxWeight: 20,
      maxGroupWeight: 10,
      weightOf: (value) => value,
    })
    expect(cache.set('a', 'heavy', 11)).toBe(false)
    expect(cache.set('a', 'none', Number.NaN)).toBe(false)
    expect([cache.set('a', 'x', 6), cache.set('a', 'y', 4)]).toEqual([true, true])
    expect(cache.set('a', 'z', 5)).toBe(true)
    expect([cache.peek('x'), cache.peek('y'), cache.peek('z')]).toEqual([undefined, 4, 5])
  })

  test('replaces the value of a key, also of one that another group had', () => {
    const cache = new FairCache<number>({ maxWeight: 2, maxGroupWeight: 1 })
    cache.set('a', 'key', 1)
    cache.set('b', 'key', 2)
    expect([...cache.values()]).toEqual([2])
    cache.set('a', 'other', 3)
    expect(cache.size).toBe(2)
    expect([cache.delete('key'), cache.delete('key')]).toEqual([true, false])
    expect(cache.size).toBe(1)
  })

  test('passes by what may not be evicted, and keeps nothing new where nothing may', () => {
    const pinned = new Set([0, 1])
    const cache = new FairCache<number>({
      maxWeight: 100,
      maxGroupWeight: 3,
      isEvictable: (value) => !pinned.has(value),
    })
    fill(cache, 'a', 3)
    expect(cache.set('a', 'more', 7)).toBe(true)
    expect([cache.peek('a0'), cache.peek('a1'), cache.peek('a2')]).toEqual([0, 1, undefined])
    pinned.add(7)
    expect(cache.set('a', 'another', 8)).toBe(false)
    expect(cache.size).toBe(3)
    expect(cache.set('b', 'b', 9)).toBe(true)
  })

  test('looks at few values only when none may be evicted', () => {
    let looks = 0
    const cache = new FairCache<number>({
      maxWeight: 1000,
      isEvictable: () => {
        looks++
        return false
      },
    })
    fill(cache, 'a', 1001)
    expect(cache.size).toBe(1000)
    expect(looks).toBeLessThan(100)
  })
})
