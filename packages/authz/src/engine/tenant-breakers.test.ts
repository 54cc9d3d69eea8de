import { describe, expect, test } from '@jest/globals'
import { breakerDefaults, type BreakerState } from './breaker.ts'
import { type Outcome, TenantBreakers } from './tenant-breakers.ts'

/** Breakers whose clock stands until the test moves it; openings last exactly a second. */
function scene() {
  const time = { now: 1_000_000 }
  const changes: BreakerState[] = []
  const breakers = new TenantBreakers({
    options: breakerDefaults,
    clock: () => time.now,
    random: () => 0.5,
    onChange: (state) => changes.push(state),
  })
  /** Returns how often the engine was asked. */
  const ask = (tenant: string, outcome: Outcome, times = 1): number => {
    let asked = 0
    for (let round = 0; round < times; round++) {
      const note = breakers.admit(`example.org\0${tenant}`)
      note?.(outcome)
      if (note !== null) asked++
    }
    return asked
  }
  return { breakers, time, changes, ask }
}

describe('the breakers of an engine', () => {
  test('open for the tenant that makes it fail, and for no other', () => {
    const { breakers, changes, ask } = scene()
    ask('victim', 'succeeded')
    expect(ask('noisy', 'failed', 100)).toBe(5)
    expect(ask('victim', 'succeeded', 50)).toBe(50)
    expect(breakers.state).toBe('closed')
    expect(changes).toEqual([])
  })

  test('keep no tenant out that has not been there while others make it fail', () => {
    const { breakers, changes, ask } = scene()
    for (const noisy of ['one', 'two', 'three']) ask(noisy, 'failed', 100)
    expect(breakers.state).toBe('open')
    expect(ask('victim', 'succeeded', 50)).toBe(50)
    expect(breakers.state).toBe('closed')
    expect(ask('one', 'failed')).toBe(0)
    expect(changes).toEqual(['open', 'closed'])
  })

  test('count as open together once the engine fails for all, and then open at the first failure', () => {
    const { breakers, changes, ask } = scene()
    ask('one', 'succeeded')
    ask('two', 'succeeded')
    expect(ask('one', 'failed', 10)).toBe(5)
    expect(breakers.state).toBe('closed')
    expect(ask('two', 'failed', 10)).toBe(5)
    expect(breakers.state).toBe('open')
    expect(ask('three', 'failed', 10)).toBe(1)
    expect(changes).toEqual(['open'])
  })

  test('believe a good answer to another tenant for ten seconds', () => {
    const { breakers, time, ask } = scene()
    ask('other', 'succeeded')
    time.now += 10_000
    ask('one', 'failed', 5)
    expect(breakers.state).toBe('open')
  })

  test('take the good answers of a tenant for no sign that it works for others', () => {
    const { breakers, ask } = scene()
    ask('one', 'succeeded', 80)
    for (let round = 0; round < 40; round++) {
      ask('one', 'failed')
      ask('one', 'succeeded')
    }
    expect(breakers.state).toBe('open')
  })

  test('of many names open each by itself', () => {
    const { ask } = scene()
    ask('victim', 'succeeded')
    let asked = 0
    for (let name = 0; name < 2000; name++) asked += ask(`name-${name}`, 'failed', 10)
    expect(asked).toBeLessThanOrEqual(2000 * 5)
    expect(ask('victim', 'succeeded', 10)).toBe(10)
  })
})
