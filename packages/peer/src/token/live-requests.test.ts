import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { VerifiedJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'
import { expect, test } from '@jest/globals'
import { LiveRequests } from './live-requests.ts'

class Response extends EventEmitter {
  destroyed = false
  writableFinished = false

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }

  static make(): Response & ServerResponse {
    return new Response() as never
  }
}

test('a response that is still running ten seconds after its token has ended is ended, and no other', () => {
  let now = 0
  let task: (() => void) | undefined
  const setTimer = (callback: () => void, delayMs: number) => {
    const at = now + delayMs
    task = () => {
      now = at
      task = undefined
      callback()
    }
    return () => {
      task = undefined
    }
  }
  const runUntil = (time: number): void => {
    task!()
    if (now < time) runUntil(time)
  }
  const [good, bad] = [{}, {}] as VerifiedJwtSvid[]
  const ended = new Set<VerifiedJwtSvid>()
  const live = new LiveRequests(
    (svid) => !ended.has(svid),
    () => now,
    setTimer,
  )
  const [kept, cut, done] = [Response.make(), Response.make(), Response.make()]
  live.add(kept, good!)
  live.add(cut, bad!)
  live.add(done, bad!)
  done.destroy()
  expect(live.size).toBe(2)
  ended.add(bad!)
  runUntil(10_000)
  expect(cut.destroyed).toBe(false)
  runUntil(12_000)
  expect([kept.destroyed, cut.destroyed, live.size]).toEqual([false, true, 1])
  kept.destroy()
  task!()
  // Nothing is running: nothing is waited for.
  expect([live.size, task]).toEqual([0, undefined])
  live.add(done, bad!)
  expect(live.size).toBe(0)
})
