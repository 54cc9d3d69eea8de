import { expect, test } from '@jest/globals'
import { RateLimiter } from './rate-limiter.ts'

function taken(budget: RateLimiter, now: number, kind: string, times: number): number {
  return Array.from({ length: times }).filter(() => budget.tryAcquire(now, kind)).length
}

test('ten messages a second are let through', () => {
  const budget = new RateLimiter()
  expect([0, 999, 1000, 5000].map((now) => taken(budget, now, 'a', 50))).toEqual([10, 0, 10, 10])
})

test('a kind that was not reported yet is reported in a flood of others, and the next second pays for it', () => {
  const budget = new RateLimiter()
  expect(taken(budget, 0, 'a', 50)).toBe(10)
  expect([1, 2].map((now) => taken(budget, now, 'b', 5))).toEqual([1, 0])
  expect(taken(budget, 3, 'c', 5)).toBe(1)
  expect(taken(budget, 1000, 'a', 50)).toBe(8)
  expect(taken(budget, 2000, 'a', 50)).toBe(10)
})

test('many kinds at once are no way around the bound', () => {
  const budget = new RateLimiter()
  let count = 0
  for (let now = 0; now < 10_000; now += 10) {
    for (let kind = 0; kind < 40; kind++) if (budget.tryAcquire(now, `${kind}`)) count++
  }
  expect(count).toBeLessThanOrEqual(105)
})

test('a clock that was set back begins a new second', () => {
  const budget = new RateLimiter()
  expect(taken(budget, 100_000, 'a', 50)).toBe(10)
  expect(taken(budget, 0, 'a', 50)).toBe(10)
})
