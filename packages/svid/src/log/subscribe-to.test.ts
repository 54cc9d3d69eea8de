import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'

const PROGRAM = `
import { channel } from 'node:diagnostics_channel'
import { setTimeout } from 'node:timers/promises'
import { subscribeTo } from ${JSON.stringify(new URL('./subscribe-to.js', import.meta.url).href)}
const heard = []
for (let round = 0; round < 3; round++) {
  const unsubscribe = subscribeTo('spiffe:source:problem', (event) => heard.push(event))
  await setTimeout(10)
  gc()
  await setTimeout(10)
  channel('spiffe:source:problem').publish(round)
  unsubscribe()
  await setTimeout(10)
  gc()
}
console.log(heard.join())
`

test('a subscriber hears of events although nothing else holds the channel, and one was collected before', async () => {
  const options = ['--expose-gc', '--input-type=module', '--eval', PROGRAM]
  const { stdout } = await promisify(execFile)(process.execPath, options)
  expect(stdout.trim()).toBe('0,1,2')
})
