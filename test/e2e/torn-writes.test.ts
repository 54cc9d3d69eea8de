import { expect, test } from '@jest/globals'
import { seeded } from '../support/seeded.ts'
import { tearWrites } from '../support/torn-writes.ts'

test('of 200 writes that are torn no pair that does not fit is served, and what is finished is taken', async () => {
  const { mismatched, notTaken, updates } = await tearWrites(200, seeded(1))
  expect([mismatched, notTaken]).toEqual([0, 0])
  expect(updates).toBeGreaterThan(10)
}, 60_000)
