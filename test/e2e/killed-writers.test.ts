import { expect, test } from '@jest/globals'
import { killWriters } from '../support/killed-writers.ts'
import { seeded } from '../support/seeded.ts'

test('a writer of files that is killed 8 times leaves a whole set each time', async () => {
  const { broken, sets } = await killWriters(8, seeded(1))
  expect(broken).toEqual([])
  expect(sets).toBeGreaterThan(0)
}, 60_000)
