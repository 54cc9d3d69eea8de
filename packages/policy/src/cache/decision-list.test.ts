import { describe, expect, test } from '@jest/globals'
import { DecisionList, weightOf } from './decision-list.ts'

function listOf(...keys: (number | string)[]): DecisionList {
  const list = new DecisionList()
  for (const [index, key] of keys.entries()) list.add(key, 100 + index)
  return list
}

describe('decisions by number and by text', () => {
  test('are found under their key alone', () => {
    const list = listOf(100, 'a', 7, '7')
    expect([100, 'a', 7, '7'].map((key) => list.get(key))).toEqual([100, 101, 102, 103])
    expect([101, 102, 'b', '100', ''].map((key) => list.get(key))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect([list.size, list.weight]).toEqual([4, 4])
  })

  test('are deleted alone, and count no longer', () => {
    const list = listOf(1, 2, 3, 'a', 'b')
    list.delete(2)
    list.delete('a')
    expect([1, 2, 3, 'a', 'b'].map((key) => list.get(key))).toEqual([
      100,
      undefined,
      102,
      undefined,
      104,
    ])
    expect([list.size, list.weight]).toEqual([3, 3])
  })

  test('are as they were after one that is not there was deleted', () => {
    const list = listOf(1, 'a')
    list.delete(2)
    list.delete(100)
    list.delete('b')
    expect([list.get(1), list.get('a'), list.size, list.weight]).toEqual([100, 101, 2, 2])
    const numbers = listOf(1)
    numbers.delete('a')
    expect([numbers.get(1), numbers.size, numbers.weight]).toEqual([100, 1, 1])
  })

  test('are deleted by age, those by text before those by number', () => {
    const list = listOf(1, 'a', 2, 'b')
    const left = (): (number | undefined)[] => [1, 'a', 2, 'b'].map((key) => list.get(key))
    list.deleteOldest()
    expect(left()).toEqual([100, undefined, 102, 103])
    list.deleteOldest()
    expect(left()).toEqual([100, undefined, 102, undefined])
    list.deleteOldest()
    expect(left()).toEqual([undefined, undefined, 102, undefined])
    list.deleteOldest()
    list.deleteOldest()
    expect([list.size, list.weight]).toEqual([0, 0])
  })
})

test('a key weighs one more for each 256 characters', () => {
  expect([1_000_000, '', 'x'.repeat(255)].map(weightOf)).toEqual([1, 1, 1])
  expect([256, 511, 512].map((length) => weightOf('x'.repeat(length)))).toEqual([2, 2, 3])
  const long = 'x'.repeat(600)
  const list = listOf(long, 'a')
  expect(list.weight).toBe(4)
  list.delete(long)
  expect(list.weight).toBe(1)
})
