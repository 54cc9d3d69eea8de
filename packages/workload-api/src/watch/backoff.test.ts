import { describe, expect, test } from '@jest/globals'

import { Backoff } from './backoff.ts'

const bounds = { initialMs: 100, maxMs: 1_000 }

describe('a backoff', () => {
  test('doubles its ceiling until the maximum', () => {
    const backoff = new Backoff(bounds, () => 1)
    expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([
      200, 400, 800, 1_000, 1_000, 1_000,
    ])
  })

  test('never waits less than the initial time', () => {
    const backoff = new Backoff(bounds, () => 0)
    expect(Array.from({ length: 6 }, () => backoff.next())).toEqual(Array(6).fill(100))
  })

  test('spreads its waits over the whole range', () => {
    const draws = [0.5, 0.25]
    const backoff = new Backoff(bounds, () => draws.shift() ?? 0)
    expect([backoff.next(), backoff.next()]).toEqual([150, 175])
  })

  test('starts over after a reset', () => {
    const backoff = new Backoff(bounds, () => 1)
    for (let round = 0; round < 10; round += 1) backoff.next()
    backoff.reset()
    expect(backoff.next()).toBe(200)
  })

  test('stays within the maximum for ever', () => {
    const backoff = new Backoff(bounds, () => 1)
    for (let round = 0; round < 5_000; round += 1) expect(backoff.next()).toBeLessThanOrEqual(1_000)
  })
})
