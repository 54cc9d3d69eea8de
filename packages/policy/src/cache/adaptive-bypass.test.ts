// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { expect, test } from '@jest/globals'
import { tenantKey } from '../principals/tenant.ts'
import { AdaptiveBypass } from './adaptive-bypass.ts'

const ACME = tenantKey('example.org', 'acme')
const GLOBEX = tenantKey('example.org', 'globex')

function bypass() {
  const events: [hitRate: number, tenant: string][] = []
  const watched = new AdaptiveBypass((hitRate, tenant) => void events.push([hitRate, tenant]))
  /** Takes note of so many look-ups, the hits first. */
  const note = (lookups: number, { hits, tenant = ACME }: { hits: number; tenant?: string }) => {
    for (let index = 0; index < lookups; index++) watched.note(tenant, index < hits)
  }
  /** How many questions in a row go past the cache. */
  const bypassed = (tenant = ACME): number => {
    let times = 0
    while (times < 20_000 && watched.isBypassed(tenant)) times++
    return times
  }
  return { events, note, bypassed }
}

test('a tenant whose hit rate is 15 % is not bypassed', () => {
  const { events, note, bypassed } = bypass()
  note(1000, { hits: 150 })
  expect(bypassed()).toBe(0)
  expect(events).toEqual([])
})

test('a tenant whose hit rate is less is bypassed for 10,000 questions, which is told once', () => {
  const { events, note, bypassed } = bypass()
  note(999, { hits: 149 })
  expect(bypassed()).toBe(0)
  note(1, { hits: 0 })
  expect(bypassed()).toBe(10_000)
  expect(bypassed()).toBe(0)
  expect(events).toEqual([[0.149, ACME]])
})

test('each window is judged by itself', () => {
  const { events, note, bypassed } = bypass()
  note(1000, { hits: 1000 })
  note(999, { hits: 0 })
  expect(bypassed()).toBe(0)
  note(1, { hits: 0 })
  expect(bypassed()).toBe(10_000)
  note(1000, { hits: 150 })
  expect(bypassed()).toBe(0)
  expect(events).toEqual([[0, ACME]])
})

test('tenants whose questions alternate are watched apart', () => {
  const { events, note, bypassed } = bypass()
  for (let times = 0; times < 1000; times++) {
    note(1, { hits: 0 })
    note(1, { hits: 1, tenant: GLOBEX })
  }
  expect(bypassed(GLOBEX)).toBe(0)
  expect(bypassed(ACME)).toBe(10_000)
  expect(events).toEqual([[0, ACME]])
})

test('1,024 tenants of a trust domain are watched; of more, the least recently used is forgotten', () => {
  const { note, bypassed } = bypass()
  note(1000, { hits: 0 })
  const name = (index: number): string => tenantKey('example.org', `t${index}`)
  for (let index = 0; index < 1023; index++) note(1, { hits: 0, tenant: name(index) })
  note(1, { hits: 0, tenant: tenantKey('example.com', 'other') })
  expect(bypassed(ACME)).toBe(10_000)
  note(1000, { hits: 0 })
  for (let index = 0; index < 1024; index++) note(1, { hits: 0, tenant: name(index) })
  expect(bypassed(ACME)).toBe(0)
})
