import { expect, test } from '@jest/globals'
import { ExpiryMonitor } from './expiry-monitor.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** A monitor whose calls the test can wait for, by a clock that the test can set. */
function stage() {
  let offsetMs = 0
  let overdue = 0
  let heard: (() => void) | undefined
  const clock = (): number => Date.now() + offsetMs
  const monitor = new ExpiryMonitor({
    clock,
    onTick: () => heard?.(),
    onRenewalOverdue: () => {
      overdue += 1
    },
  })
  return {
    monitor,
    clock,
    set: (ms: number): void => void (offsetMs = ms),
    overdue: (): number => overdue,
    look: () => new Promise<void>((resolve) => (heard = resolve)),
  }
}

test('looks as soon as the SVID has expired', async () => {
  const { monitor, clock, look } = stage()
  const notAfter = clock() + 100
  monitor.set({ notAfter })
  while (clock() <= notAfter) await look()
  expect(clock() - notAfter).toBeLessThan(900)
  monitor.set(null)
})

test('calls a successor overdue after three quarters of the lifetime, and then after half of what is left', async () => {
  const { monitor, clock, set, look, overdue } = stage()
  monitor.set({ notAfter: clock() + HOUR_MS })
  const counts: number[] = []
  for (const minutes of [44, 46, 52, 54]) {
    set(minutes * MINUTE_MS)
    await look()
    counts.push(overdue())
  }
  expect(counts).toEqual([0, 1, 1, 2])
  monitor.set(null)
})

test('notices that the clock was set, forward and back', async () => {
  const { monitor, clock, set, look, overdue } = stage()
  const notAfter = clock() + HOUR_MS
  monitor.set({ notAfter })
  set(2 * HOUR_MS)
  await look()
  expect(clock()).toBeGreaterThan(notAfter)
  set(0)
  await look()
  expect(clock()).toBeLessThan(notAfter)
  expect(overdue()).toBe(1)
  monitor.set(null)
})

test('calls nobody any more once who looks has ended it', async () => {
  const calls: string[] = []
  let offsetMs = 0
  await new Promise<void>((resolve) => {
    const monitor = new ExpiryMonitor({
      clock: () => Date.now() + offsetMs,
      onTick: () => {
        monitor.set(null)
        calls.push('ended')
        resolve()
      },
      onRenewalOverdue: () => calls.push('overdue'),
    })
    monitor.set({ notAfter: Date.now() + HOUR_MS })
    offsetMs = 2 * HOUR_MS
  })
  expect(calls).toEqual(['overdue', 'ended'])
})
