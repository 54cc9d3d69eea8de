import { describe, expect, test } from '@jest/globals'
import type { CallReader } from '../call.ts'
import { deny } from '../decision/decision.ts'
import { DecisionLog, type LostDecisions } from './decision-log.ts'
import { readDecisionLog } from './options.ts'

/** Reads calls of which nothing is known. */
const READER: CallReader = {
  caller: () => null,
  method: () => 'GET',
  route: () => '/',
  remoteAddress: () => '192.0.2.1',
  id: () => '1',
  attributes: new Map(),
  attribute: () => undefined,
  problemWith: () => null,
}

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  const resolvers: (() => void)[] = []
  const promise = new Promise<void>((resolve) => resolvers.push(resolve))
  return { promise, resolve: () => resolvers[0]?.() }
}

/** A log with one decision in it, whose writing and whose timer are in the hands of the test. */
function closing() {
  const { promise: written, resolve: finish } = withResolvers()
  const timers: { delayMs: number; fire: () => void; isStopped: boolean }[] = []
  const lost: LostDecisions[] = []
  const log = new DecisionLog({
    ...readDecisionLog({ write: () => written, closeTimeoutMs: 7000 }),
    reader: READER,
    tenantOf: null,
    clock: Date.now,
    random: Math.random,
    onLost: (decisions) => void lost.push(decisions),
    setTimer: (fire, delayMs) => {
      const timer = { delayMs, fire, isStopped: false }
      timers.push(timer)
      return () => (timer.isStopped = true)
    },
  })
  log.record({}, deny('not-allowed'), { policyVersion: 'v7', isShadow: false })
  return { log, finish, timers, lost }
}

describe('a log that closes', () => {
  test('waits for what is being written, and stops its timer', async () => {
    const { log, finish, timers, lost } = closing()
    const closed = log.close()
    finish()
    await closed
    expect(timers).toMatchObject([{ delayMs: 7000, isStopped: true }])
    expect(lost).toEqual([])
    expect(log.stats()).toMatchObject({ written: 1, dropped: 0 })
  })

  test('waits no longer than `closeTimeoutMs`, and says what is under way', async () => {
    const { log, timers, lost } = closing()
    const closed = log.close()
    timers[0]?.fire()
    await closed
    expect(lost).toEqual([{ dropped: 0, underWay: 1 }])
  })
})
