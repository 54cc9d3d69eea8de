import { describe, expect, test } from '@jest/globals'
import { tenantKey } from '../principals/tenant.ts'
import { Bulkhead } from './bulkhead.ts'

/** Takes slots until none is left for the tenant. Returns how many, and the function that leaves them. */
function takeAll(bulkhead: Bulkhead, tenant: string): readonly [number, () => void] {
  const leaving: (() => void)[] = []
  while (bulkhead.admits(tenant)) leaving.push(bulkhead.enter(tenant))
  return [leaving.length, () => leaving.forEach((leave) => leave())]
}

const OURS = ['acme', 'globex', 'initech'].map((name) => tenantKey('example.org', name))
const THEIRS = ['partner.test', 'other.test'].map((name) => tenantKey(name, 'acme'))

describe('a bulkhead', () => {
  test('leaves something for each tenant and each trust domain that comes later', () => {
    const bulkhead = new Bulkhead({ maxInFlight: 256, hasTenants: true })
    const taken = [...OURS, ...THEIRS].map((tenant) => takeAll(bulkhead, tenant)[0])
    expect(taken[0]).toBe(96)
    expect(taken.every((count) => count > 0)).toBe(true)
    expect(bulkhead.inFlight).toBeLessThanOrEqual(256)
  })

  test('keeps slots from a trust domain whose tenants are ever new names', () => {
    const bulkhead = new Bulkhead({ maxInFlight: 16, hasTenants: true })
    for (let name = 0; name < 1000; name++) {
      const tenant = tenantKey('partner.test', `name-${name}`)
      if (bulkhead.admits(tenant)) bulkhead.enter(tenant)
    }
    expect(bulkhead.inFlight).toBe(12)
    expect(takeAll(bulkhead, OURS[0] ?? '')[0]).toBeGreaterThan(0)
  })

  test('keeps slots from a trust domain where there are no tenants', () => {
    const bulkhead = new Bulkhead({ maxInFlight: 16, hasTenants: false })
    expect(takeAll(bulkhead, tenantKey('partner.test', ''))[0]).toBe(12)
    expect(bulkhead.admits(tenantKey('example.org', ''))).toBe(true)
  })

  test.each([1, 2, 3])('of %d slots has nothing to share, and is not exceeded', (maxInFlight) => {
    const bulkhead = new Bulkhead({ maxInFlight, hasTenants: true })
    expect(takeAll(bulkhead, OURS[0] ?? '')[0]).toBe(maxInFlight)
    expect(takeAll(bulkhead, THEIRS[0] ?? '')[0]).toBe(0)
  })

  test('gives back what has ended', () => {
    const bulkhead = new Bulkhead({ maxInFlight: 8, hasTenants: true })
    for (let round = 0; round < 3; round++) {
      const [count, leave] = takeAll(bulkhead, OURS[0] ?? '')
      expect(count).toBe(3)
      leave()
      expect(bulkhead.inFlight).toBe(0)
    }
  })
})
