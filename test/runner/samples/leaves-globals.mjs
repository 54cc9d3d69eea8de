import { subscribe } from 'node:diagnostics_channel'
import { test } from '@jest/globals'

test('leaves an environment variable, a listener, a subscriber and a fake clock', () => {
  process.env.LEFT_BEHIND = 'yes'
  process.on('warning', () => {})
  subscribe('spiffe:sample', () => {})
  globalThis.setTimeout = () => {}
})
