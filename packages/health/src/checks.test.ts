import { HeldTimers } from '@fastify-spiffe-test/kit/held-timers'
import { describe, expect, test } from '@jest/globals'
import { type HealthCheck, HealthChecks, type NamedCheck } from './checks.ts'

const required = (name: string, check: HealthCheck) => ({ name, check, isRequired: true })
const optional = (name: string, check: HealthCheck) => ({ name, check, isRequired: false })

function checksOf(
  checks: readonly NamedCheck[],
  { clock = Date.now, timers = new HeldTimers() } = {},
): HealthChecks {
  const { setTimer } = timers
  return new HealthChecks(checks, { timeoutMs: 500, maxAgeMs: 1_000, clock, setTimer })
}

describe('checks of an application', () => {
  test('that come true are not mentioned', async () => {
    const checks = checksOf([required('db', () => true), optional('queue', async () => true)])
    expect(await checks.run()).toEqual([])
    expect(await checksOf([]).run()).toEqual([])
  })

  test.each<[string, unknown]>([
    ['false', false],
    ['nothing', undefined],
    ['a number', 1],
    ['a word', 'ok'],
  ])('that say %s have failed', async (_outcome, outcome) => {
    const checks = [
      required('db', () => outcome as never),
      optional('queue', () => outcome as never),
    ]
    expect(await checksOf(checks).run()).toEqual([
      { code: 'check-failed', check: 'db' },
      { code: 'check-degraded', check: 'queue' },
    ])
  })

  test.each<[string, HealthCheck]>([
    [
      'throw',
      () => {
        throw new Error('no connection to db.internal as root')
      },
    ],
    ['reject', () => Promise.reject(new Error('no connection to db.internal as root'))],
  ])('that %s have failed, and their error is not shown', async (_how, check) => {
    expect(await checksOf([required('db', check)]).run()).toEqual([
      { code: 'check-failed', check: 'db' },
    ])
  })

  test('that take longer than their time have failed, and the others count', async () => {
    const timers = new HeldTimers()
    const checks = checksOf(
      [required('db', () => new Promise(() => {})), optional('queue', () => false)],
      { timers },
    )
    const running = checks.run()
    expect(timers.delays).toEqual([500, 500])
    await Promise.resolve()
    timers.fire()
    expect(await running).toEqual([
      { code: 'check-failed', check: 'db' },
      { code: 'check-degraded', check: 'queue' },
    ])
    expect(timers.delays).toEqual([])
  })

  test('run once for all who ask meanwhile, and at most once a second', async () => {
    let now = 1_000_000
    let runs = 0
    const answers: ((outcome: boolean) => void)[] = []
    const db = (): Promise<boolean> => {
      runs++
      return new Promise((resolve) => answers.push(resolve))
    }
    const checks = checksOf([required('db', db)], { clock: () => now })
    const both = Promise.all([checks.run(), checks.run()])
    answers[0]?.(false)
    expect(await both).toEqual([[{ code: 'check-failed', check: 'db' }], expect.anything()])
    now += 999
    await checks.run()
    expect(runs).toBe(1)
    now += 1
    const again = checks.run()
    answers[1]?.(true)
    expect([await again, runs]).toEqual([[], 2])
    // What is said at a time that has not come yet does not stand until then.
    now -= 3_600_000
    const after = checks.run()
    answers[2]?.(true)
    expect([await after, runs]).toEqual([[], 3])
  })
})
