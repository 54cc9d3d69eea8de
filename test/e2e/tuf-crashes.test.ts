import { expect, test } from '@jest/globals'
import { crashSources } from '../support/tuf-crashes.ts'

test('a source of a signed repository that is killed begins with the old state or the new one', async () => {
  const { broken, kills } = await crashSources(2, 15)
  expect(broken).toEqual([])
  expect(kills).toBe(30)
}, 60_000)
