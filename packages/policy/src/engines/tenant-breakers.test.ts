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

  test('shed an engine that is down for all, however seldom each tenant asks', () => {
    const { breakers, time, ask } = scene()
    const tenants = Array.from({ length: 200 }, (_, number) => `tenant${number}`)
    for (const tenant of tenants) ask(tenant, 'succeeded')
    // Each tenant asks every two seconds, after its breaker has closed for a probe.
    let asked = 0
    for (let step = 0; step < 30 * tenants.length; step++) {
      time.now += 10
      asked += ask(tenants[step % tenants.length] ?? '', 'failed')
    }
    expect(breakers.state).toBe('open')
    // Of 6000: once each, once each in ten seconds, and a probe each second.
    expect(asked).toBeLessThan(200 + 200 * 6 + 60 + 20)
  })

  test('close for all within about a second after the engine is back, however many it failed for', () => {
    const { breakers, time, ask } = scene()
    const tenants = Array.from({ length: 50 }, (_, number) => `tenant${number}`)
    for (const tenant of tenants) expect(ask(tenant, 'failed', 10)).toBeLessThanOrEqual(5)
    time.now += 1001
    expect(tenants.filter((tenant) => ask(tenant, 'failed') === 1)).toEqual(['tenant0'])
    time.now += 1001
    expect(ask('tenant1', 'succeeded')).toBe(1)
    expect(breakers.state).toBe('closed')
    expect(tenants.slice(2).filter((tenant) => ask(tenant, 'succeeded') === 0)).toEqual([])
  })

  test('keep a tenant waiting for ten times as long at most, although others take all probes', () => {
    const { time, ask } = scene()
    const noisy = Array.from({ length: 50 }, (_, number) => `noisy${number}`)
    ask('victim', 'failed', 5)
    for (const tenant of noisy) ask(tenant, 'failed', 5)
    for (let second = 0; second < 10; second++) {
      time.now += 1000
      for (const tenant of noisy) ask(tenant, 'failed')
    }
    expect(ask('victim', 'succeeded')).toBe(1)
  })
})
