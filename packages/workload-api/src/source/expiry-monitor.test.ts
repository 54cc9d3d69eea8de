import { ExpiryMonitor } from '@fastify-spiffe/spiffe/internal'
import { expect, test } from '@jest/globals'
import { ManualTime } from '../manual-time.test.helper.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** A monitor, and how often it has called. */
function stage() {
  const time = new ManualTime()
  const calls = { ticks: 0, overdue: 0 }
  const monitor = new ExpiryMonitor({
    clock: time.clock,
    setTimer: time.setTimer,
    onTick: () => calls.ticks++,
    onRenewalOverdue: () => calls.overdue++,
  })
  return { monitor, time, calls }
}

test('looks as soon as the SVID has expired', () => {
  const { monitor, time, calls } = stage()
  monitor.set({ notAfter: time.now + 100 })
  time.pass(75)
  const before = calls.ticks
  expect(time.delays).toEqual([26])
  time.pass(25)
  expect(calls.ticks).toBe(before)
  time.pass(1)
  expect(calls.ticks).toBe(before + 1)
})

test('looks once a second, however long the SVID is valid', () => {
  const { monitor, time, calls } = stage()
  monitor.set({ notAfter: time.now + 1_000_000 * HOUR_MS })
  for (let seconds = 1; seconds <= 5; seconds++) {
    expect(time.delays).toEqual([SECOND_MS])
    time.pass(SECOND_MS)
    expect(calls).toEqual({ ticks: seconds, overdue: 0 })
  }
})

test('calls a successor overdue after three quarters of the lifetime, and then after half of what is left', () => {
  const { monitor, time, calls } = stage()
  const start = time.now
  monitor.set({ notAfter: start + HOUR_MS })
  const counts: number[] = []
  for (const minutes of [44, 46, 52, 54]) {
    time.set(start + minutes * MINUTE_MS)
    time.pass(SECOND_MS)
    counts.push(calls.overdue)
  }
  expect(counts).toEqual([0, 1, 1, 2])
})

test('notices that the clock was set, forward and back', () => {
  const { monitor, time, calls } = stage()
  const start = time.now
  monitor.set({ notAfter: start + HOUR_MS })
  time.set(start + 2 * HOUR_MS)
  time.pass(SECOND_MS)
  expect(calls).toEqual({ ticks: 1, overdue: 1 })
  time.set(start)
  time.pass(SECOND_MS)
  expect(calls).toEqual({ ticks: 2, overdue: 1 })
})

test('calls nobody any more once who looks has ended it', () => {
  const time = new ManualTime()
  const calls: string[] = []
  const monitor = new ExpiryMonitor({
    clock: time.clock,
    setTimer: time.setTimer,
    onTick: () => {
      monitor.set(null)
      calls.push('ended')
    },
    onRenewalOverdue: () => calls.push('overdue'),
  })
  monitor.set({ notAfter: time.now + HOUR_MS })
  time.set(time.now + 2 * HOUR_MS)
  time.pass(SECOND_MS)
  expect(calls).toEqual(['overdue', 'ended'])
  expect(time.delays).toEqual([])
})

test('goes by real timers that keep no process alive', async () => {
  const held = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const ticked = new Promise<void>((resolve) => {
    const monitor = new ExpiryMonitor({
      clock: Date.now,
      onTick: () => {
        monitor.set(null)
        resolve()
      },
      onRenewalOverdue: () => undefined,
    })
    monitor.set({ notAfter: Date.now() + 20 })
  })
  expect(process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout')).toHaveLength(held)
  // Something else has to keep this process alive meanwhile.
  const alive = setInterval(() => undefined, 1_000)
  await ticked
  clearInterval(alive)
})
