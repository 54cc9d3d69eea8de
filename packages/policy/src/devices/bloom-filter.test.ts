import { describe, expect, test } from '@jest/globals'
import { BloomFilter } from './bloom-filter.ts'

describe('a filter', () => {
  test('misses none of its texts, and takes few others for one', () => {
    const texts = Array.from({ length: 10_000 }, (_, at) => `device-${at}`)
    const filter = new BloomFilter(texts, 0.001)
    expect(texts.every((text) => filter.mayHave(text))).toBe(true)
    const taken = texts.filter((text) => filter.mayHave(`not-${text}`))
    expect(taken.length).toBeLessThan(60)
  })

  test('is seeded: what one takes for a member, another does not', () => {
    const texts = Array.from({ length: 1000 }, (_, at) => `device-${at}`)
    const [one, two] = [new BloomFilter(texts, 0.2), new BloomFilter(texts, 0.2)]
    const strangers = texts.map((text) => `not-${text}`)
    const takenBy = (filter: BloomFilter): string =>
      strangers.filter((stranger) => filter.mayHave(stranger)).join()
    expect(takenBy(one)).not.toBe(takenBy(two))
  })

  test('of nothing has nothing', () => {
    expect(new BloomFilter([], 0.001).mayHave('')).toBe(false)
  })
})
