import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import { TokenCache, type TokenCaller } from './token-cache.ts'

function caller(trustDomain: string, tenant: string | null): TokenCaller {
  const spiffeId = SpiffeId.parse(`spiffe://${trustDomain}/${tenant ?? 'none'}/web`)
  const { trustDomain: domain } = spiffeId
  return { spiffeId, tenant: tenant === null ? null : { trustDomain: domain, name: tenant } }
}

const ACME = caller('example.org', 'acme')

describe('verified tokens', () => {
  test('of a tenant with ever new ones evict no tokens of another tenant', () => {
    const tokens = new TokenCache<number>(100)
    for (let number = 0; number < 10; number++) tokens.set(ACME, `acme-${number}`, number)
    for (let number = 0; number < 1000; number++) {
      tokens.set(caller('example.org', 'noisy'), `noisy-${number}`, number)
    }
    const left = Array.from({ length: 10 }, (_, number) => tokens.get(ACME, `acme-${number}`))
    expect(left).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test.each([
    ['with tenants', (number: number) => `name-${number}`],
    ['without tenants', () => null],
  ])('of a trust domain %s evict none of another', (_, tenantOf) => {
    const tokens = new TokenCache<number>(100)
    for (let number = 0; number < 100; number++) tokens.set(ACME, `acme-${number}`, number)
    for (let number = 0; number < 1000; number++) {
      tokens.set(caller('partner.test', tenantOf(number)), `partner-${number}`, number)
    }
    const left = Array.from({ length: 100 }, (__, number) => tokens.get(ACME, `acme-${number}`))
    expect(left.filter((token) => token !== undefined).length).toBe(100)
  })

  test('are remembered for the trust domain of whoever brought them', () => {
    const tokens = new TokenCache<number>(100)
    tokens.set(ACME, 'digest', 1)
    expect(tokens.get(caller('example.org', 'globex'), 'digest')).toBe(1)
    expect(tokens.get(caller('partner.test', 'acme'), 'digest')).toBeUndefined()
  })

  test('of more trust domains than there is room for are not remembered', () => {
    const tokens = new TokenCache<number>(1)
    for (let number = 0; number < 100; number++) {
      tokens.set(caller(`domain-${number}.test`, null), 'digest', number)
    }
    expect(tokens.get(caller('domain-0.test', null), 'digest')).toBe(0)
    expect(tokens.get(caller('domain-99.test', null), 'digest')).toBeUndefined()
  })
})
