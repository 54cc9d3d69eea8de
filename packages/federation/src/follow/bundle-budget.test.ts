import { describe, expect, test } from '@jest/globals'
import { Bundle, JwtAuthority, TrustDomain } from '@fastify-spiffe/spiffe'
import { mintRootCa } from '@fastify-spiffe/authority'
import { bundleOf } from '../endpoint.test.helper.ts'
import { BundleBudget, bytesOf } from './bundle-budget.ts'

/** A budget of 1000 bytes for ten trust domains, 0 to 9: each has a share of 50. */
function budget(): BundleBudget {
  const made = new BundleBudget(1000)
  for (let name = 0; name < 10; name++) made.hold(`${name}`, 0)
  return made
}

describe('the bytes of all bundles', () => {
  test('are never more than the bound', () => {
    const bytes = budget()
    for (const name of ['0', '1', '2']) bytes.tryHold(name, 300)
    expect(bytes.totalBytes).toBeLessThanOrEqual(1000)
    for (let name = 0; name < 10; name++) bytes.tryHold(`${name}`, 200)
    expect(bytes.totalBytes).toBeLessThanOrEqual(1000)
  })

  test('leave each trust domain its share, whatever others hold', () => {
    const bytes = budget()
    expect(bytes.tryHold('0', 550)).toBe(true)
    expect(bytes.tryHold('1', 51)).toBe(false)
    for (let name = 1; name < 10; name++) expect(bytes.tryHold(`${name}`, 50)).toBe(true)
    expect(bytes.totalBytes).toBe(1000)
  })

  test('may be had beyond the shares up to one half', () => {
    const bytes = budget()
    expect(bytes.tryHold('0', 551)).toBe(false)
    expect(bytes.tryHold('0', 300)).toBe(true)
    expect(bytes.tryHold('1', 301)).toBe(false)
    expect(bytes.tryHold('1', 300)).toBe(true)
    expect(bytes.totalBytes).toBe(600)
  })

  test('are counted anew when a bundle is replaced, refused, or held no more', () => {
    const bytes = budget()
    bytes.tryHold('0', 500)
    bytes.tryHold('0', 100)
    expect(bytes.totalBytes).toBe(100)
    expect(bytes.tryHold('0', 5000)).toBe(false)
    expect(bytes.totalBytes).toBe(100)
    bytes.release('0')
    bytes.release('0')
    expect(bytes.totalBytes).toBe(0)
  })

  test('may be too many from the start, and then become fewer', () => {
    const bytes = budget()
    bytes.hold('0', 5000)
    expect(bytes.tryHold('1', 10)).toBe(false)
    expect(bytes.tryHold('0', 5001)).toBe(false)
    expect(bytes.tryHold('0', 5000)).toBe(true)
    expect(bytes.tryHold('0', 4000)).toBe(true)
    expect(bytes.totalBytes).toBe(4000)
  })
})

test('a bundle counts for about what it takes as a text', async () => {
  const [one, other] = [await mintRootCa('a.test'), await mintRootCa('a.test')]
  const bundle = bundleOf([one, other], { sequence: 5n })
  const text = bundle.stringify()
  expect(bytesOf(bundle)).toBeGreaterThan(text.length * 0.8)
  expect(bytesOf(bundle)).toBeLessThan(text.length * 1.2)
  const [{ jwk } = {} as JwtAuthority] = bundle.jwt.authorities
  const witness = JSON.stringify({ ...jwk, use: 'wit-svid' })
  const domain = TrustDomain.parse('a.test')
  const empty = Bundle.parse(domain, '{"keys":[]}')
  const more = Bundle.parse(domain, `{"keys":[${witness},{}]}`)
  expect(bytesOf(more) - bytesOf(empty)).toBeGreaterThan(witness.length)
})
