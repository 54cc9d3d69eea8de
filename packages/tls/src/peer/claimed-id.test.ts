import { X509Certificate } from 'node:crypto'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { beforeAll, expect, test } from '@jest/globals'
import { claimedSpiffeId } from './claimed-id.ts'

let authority: MintedCa

beforeAll(async () => {
  authority = await mintRootCa('example.org')
})

async function claimOf(...uris: string[]): Promise<string | null> {
  const { chain } = await authority.mint('spiffe://example.org/web', { uris })
  return claimedSpiffeId(new X509Certificate(chain[0]!))
}

test('a certificate claims its first SPIFFE ID, or its first URI', async () => {
  expect(await claimOf('spiffe://example.org/web')).toBe('spiffe://example.org/web')
  expect(await claimOf('https://a.example/', 'spiffe://a/b', 'spiffe://c/d')).toBe('spiffe://a/b')
  expect(await claimOf('https://a.example/')).toBe('https://a.example/')
  expect(claimedSpiffeId(undefined)).toBeNull()
})

test('a claim is bounded', async () => {
  const claim = await claimOf(`spiffe://example.org/${'a'.repeat(5000)}`)
  expect(claim).toHaveLength(257)
  expect(claim).toMatch(/^spiffe:\/\/example\.org\/a+…$/)
})

test('a claim of 256 characters is whole, and one that is longer for its escapes is cut', async () => {
  const whole = `spiffe://a/${'b'.repeat(245)}`
  expect(await claimOf(whole)).toBe(whole)
  const escaped = await claimOf(`spiffe://a/${'\\'.repeat(100)}`)
  expect(escaped).toBe(`${`spiffe://a/${String.raw`\u005c`.repeat(100)}`.slice(0, 256)}…`)
})

test('a claim can put nothing into a log but printable ASCII without quotes', async () => {
  const claim = await claimOf('spiffe://a/\r\n{"level":60}\u0000\u001b[31m <script> \\ \'')
  expect(claim).toMatch(/^[\x21-\x7e]+$/)
  expect(claim).not.toMatch(/["'<>]/)
  expect(claim).toContain(String.raw`\u000d\u000a`)
})
