import { expect, test } from '@jest/globals'
import { failuresUnderRotation } from '../support/rotations-under-load.ts'

test('40 rotations of SVID and bundle in a row fail no request, kept alive or fresh, on HTTP/1.1 and HTTP/2', async () => {
  const failures = await failuresUnderRotation(40, 20)
  expect([...failures.values()].flat()).toEqual([])
  expect(failures.size).toBe(4)
})
