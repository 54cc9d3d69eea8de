import { expect, test } from '@jest/globals'
import { nextDelay } from './schedule.ts'

const input = {
  minRefreshMs: 300_000,
  maxRefreshMs: 900_000,
  refreshHintMs: null,
  networkFailures: 0,
}

test.each([
  [0, 300_000],
  [0.5, 600_000],
  [1, 900_000],
])('with the random number %p the next refresh is after %i ms', (random, delay) => {
  expect(nextDelay({ ...input, random })).toBe(delay)
})

test.each([
  [0, 60_000],
  [60_000, 60_000],
  [120_000, 120_000],
  [3_600_000, 600_000],
])('a hint of %i ms makes it sooner and never later', (refreshHintMs, delay) => {
  expect(nextDelay({ ...input, refreshHintMs, random: 0.5 })).toBe(delay)
})

test('after faults of the network it is a second to twice as long each time, and never later than usual', () => {
  const delays = [1, 2, 3, 10, 1000].map((networkFailures) =>
    [0, 1].map((random) => nextDelay({ ...input, networkFailures, random })),
  )
  expect(delays).toEqual([
    [1000, 2000],
    [1000, 4000],
    [1000, 8000],
    [1000, 900_000],
    [1000, 900_000],
  ])
})
