import { expect, test } from '@jest/globals'

test('fails', () => {
  expect(1 + 1).toBe(3)
})
