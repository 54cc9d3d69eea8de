import { expect, test } from '@jest/globals'
import { report } from '../spire/support/report.ts'
import { seeded } from '../support/seeded.ts'
import { tearWrites } from '../support/torn-writes.ts'

/** `TORN_WRITES=10000` takes some minutes. */
const WRITES = Number(process.env['TORN_WRITES'] ?? 2_000)

test('of writes that are torn no pair that does not fit is served, and what is finished is taken', async () => {
  const seed = Date.now() % 2 ** 31
  const started = performance.now()
  const { writes, mismatched, notTaken, updates } = await tearWrites(WRITES, seeded(seed))
  const seconds = Math.round((performance.now() - started) / 1000)
  report(`${writes} torn writes (seed ${seed}), ${updates} updates of the source, ${seconds} s`)
  expect([mismatched, notTaken]).toEqual([0, 0])
}, 900_000)
