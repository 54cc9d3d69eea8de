import { expect, test } from '@jest/globals'
import { report } from '../spire/support/report.ts'
import { killWriters } from '../support/killed-writers.ts'
import { seeded } from '../support/seeded.ts'

/** A process takes a while to start: `WRITER_KILLS=1000` takes some minutes. */
const KILLS = Number(process.env['WRITER_KILLS'] ?? 200)

test('a writer of files that is killed at any moment leaves a whole set', async () => {
  const started = performance.now()
  const { kills, broken, sets } = await killWriters(KILLS, seeded(Date.now() % 2 ** 31))
  const seconds = Math.round((performance.now() - started) / 1000)
  report(`${kills} kills, ${sets} sets seen, ${broken.length} broken, ${seconds} s`)
  expect(broken).toEqual([])
}, 900_000)
