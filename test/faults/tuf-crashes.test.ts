import { expect, test } from '@jest/globals'
import { crashSources } from '../support/tuf-crashes.ts'

test('of 1,000 sources that are killed at random moments of a refresh, none has a broken state', async () => {
  const { broken, kills, unfinished } = await crashSources(50, 20)
  process.stdout.write(`${kills} killed, ${unfinished} of them while they wrote a state\n`)
  expect(broken).toEqual([])
  expect(kills).toBe(1000)
  // Otherwise nothing was shown.
  expect(unfinished).toBeGreaterThan(0)
}, 900_000)
