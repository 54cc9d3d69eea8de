import { expect, test } from '@jest/globals'
import { nextDelay } from './schedule.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const good = { failures: 0, isHeld: true, random: 0 }

test.each([
  [null, 5 * MINUTE],
  [0, MINUTE],
  [1000, MINUTE],
  [90_000, 90_000],
  [24 * HOUR, 24 * HOUR],
  [Number.MAX_SAFE_INTEGER, 24 * HOUR],
])('rule 52: with the refresh hint %p ms the next fetch is after %i ms', (refreshHintMs, delay) => {
  expect(nextDelay({ ...good, refreshHintMs })).toBe(delay)
})

test('rule 52: jitter makes it a tenth later at most, and never sooner', () => {
  expect(nextDelay({ ...good, refreshHintMs: 300_000, random: 0.5 })).toBe(315_000)
  expect(nextDelay({ ...good, refreshHintMs: 300_000, random: 1 })).toBe(330_000)
  expect(nextDelay({ ...good, refreshHintMs: 24 * HOUR, random: 1 })).toBe(24 * HOUR)
})

test('rule 52: after a failure it is the next interval, then longer ones, of an hour at most', () => {
  const delays = [1, 2, 3, 4, 5, 100].map((failures) =>
    nextDelay({ ...good, refreshHintMs: 5 * MINUTE, failures }),
  )
  expect(delays).toEqual([5, 10, 20, 40, 60, 60].map((minutes) => minutes * MINUTE))
  expect(nextDelay({ ...good, refreshHintMs: 6 * HOUR, failures: 9 })).toBe(6 * HOUR)
})

test('without any bundle it tries again after a minute, then less and less often', () => {
  const delays = [1, 2, 3, 4, 5].map((failures) =>
    nextDelay({ ...good, isHeld: false, refreshHintMs: null, failures }),
  )
  expect(delays).toEqual([1, 2, 4, 5, 5].map((minutes) => minutes * MINUTE))
})
