import { test } from '@jest/globals'

test('leaves a timer', () => {
  setInterval(() => {}, 60_000)
})
