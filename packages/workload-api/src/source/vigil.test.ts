import { expect, test } from '@jest/globals'
import { Vigil } from './vigil.ts'

const HOUR_MS = 3_600_000

/** A vigil whose calls the test can wait for, by a clock that the test can set. */
function stage() {
  let offsetMs = 0
  let overdue = 0
  let heard: (() => void) | undefined
  const clock = (): number => Date.now() + offsetMs
  const vigil = new Vigil({
    clock,
    onLook: () => heard?.(),
    onOverdue: () => {
      overdue += 1
    },
  })
  return {
    vigil,
    clock,
    set: (ms: number): void => void (offsetMs = ms),
    overdue: (): number => overdue,
    look: () => new Promise<void>((resolve) => (heard = resolve)),
  }
}

test('looks as soon as the SVID has expired', async () => {
  const { vigil, clock, look } = stage()
  const notAfter = clock() + 100
  vigil.set({ notAfter })
  while (clock() <= notAfter) await look()
  expect(clock() - notAfter).toBeLessThan(900)
  vigil.set(null)
})

test('calls a successor overdue after three quarters of the lifetime, and not again at once', async () => {
  const { vigil, clock, look, overdue } = stage()
  const notAfter = clock() + 400
  vigil.set({ notAfter })
  await look()
  await Promise.resolve()
  expect(overdue()).toBe(1)
  expect(clock()).toBeLessThan(notAfter)
  await look()
  await Promise.resolve()
  expect(clock()).toBeGreaterThan(notAfter)
  expect(overdue()).toBe(1)
  vigil.set(null)
})

test('notices that the clock was set, forward and back', async () => {
  const { vigil, clock, set, look, overdue } = stage()
  const notAfter = clock() + HOUR_MS
  vigil.set({ notAfter })
  set(2 * HOUR_MS)
  await look()
  expect(clock()).toBeGreaterThan(notAfter)
  set(0)
  await look()
  expect(clock()).toBeLessThan(notAfter)
  expect(overdue()).toBe(1)
  vigil.set(null)
})
