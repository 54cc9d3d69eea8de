import { expect, test } from '@jest/globals'
import { report } from '../spire/support/report.ts'
import { killWriters } from '../support/killed-writers.ts'
import { seeded } from '../support/seeded.ts'

test('a writer of files that is killed 1,000 times leaves a whole set each time', async () => {
  const started = performance.now()
  const { kills, broken, sets } = await killWriters(1_000, seeded(Date.now() % 2 ** 31))
  const seconds = Math.round((performance.now() - started) / 1000)
  report(`${kills} kills, ${sets} sets seen, ${broken.length} broken, ${seconds} s`)
  expect(broken).toEqual([])
}, 900_000)
