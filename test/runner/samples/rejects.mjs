import { test } from '@jest/globals'

test('leaves a rejection to nobody', async () => {
  void Promise.reject(new Error('nobody handles this'))
  await new Promise(setImmediate)
})
