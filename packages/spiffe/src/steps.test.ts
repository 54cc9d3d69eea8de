import { expect, test } from '@jest/globals'
import { atOnce, inSlices, type Steps } from './steps.ts'

function* steps(count: number): Steps<number> {
  for (let step = 0; step < count; step++) yield
  return count
}

function* failing(): Steps<number> {
  yield
  throw new RangeError('x')
}

/** A clock by which each step takes one millisecond. */
function tick(): () => number {
  let now = 0
  return () => now++
}

test('all steps are done at once, and the result is returned', () => {
  expect(atOnce(steps(5))).toBe(5)
  expect(atOnce(steps(0))).toBe(0)
})

test('after each slice there is a pause', async () => {
  let pauses = 0
  const pause = async (): Promise<void> => {
    pauses++
  }
  expect(await inSlices(steps(100), { sliceMs: 1, now: tick(), pause })).toBe(100)
  expect(pauses).toBe(100)
  pauses = 0
  expect(await inSlices(steps(100), { sliceMs: 10, now: tick(), pause })).toBe(100)
  expect(pauses).toBe(10)
})

test('a pause is a turn of the event loop', async () => {
  let turns = 0
  const count = (): void => {
    turns++
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  await inSlices(steps(50), { now: tick() })
  clearImmediate(next)
  expect(turns).toBeGreaterThanOrEqual(49)
})

test('what a step throws rejects', async () => {
  await expect(inSlices(failing())).rejects.toThrow(RangeError)
  expect(() => atOnce(failing())).toThrow(RangeError)
})
