import { generateKeyPairSync } from 'node:crypto'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { bundleOf, Endpoint, mintWebPki, open, PARTNER, record } from '../endpoint.test.helper.ts'
import type { Federation, FederationOptions } from '../index.ts'
import { BundleBudget } from './bundle-budget.ts'
import { HeldBundle } from './held-bundle.ts'
import { Turns } from './turns.ts'

let ca: string
let localhost: MintedCertificate
let partner: MintedCa
let endpoint: Endpoint
const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })

beforeAll(async () => {
  ;({ ca, localhost } = await mintWebPki())
  partner = await mintRootCa(PARTNER)
})

beforeEach(async () => {
  endpoint = await Endpoint.serve(localhost)
  endpoint.send(bundleOf([partner]).stringify())
})

afterEach(() => endpoint[Symbol.asyncDispose]())

const following = (options: Partial<FederationOptions> = {}): Promise<Federation> => {
  const followed = { trustDomain: PARTNER, url: endpoint.url(), profile: 'https_web', ca } as const
  return open({ trustDomains: [followed], ...options })
}

function jwtKeys(count: number): string {
  const keys = Array.from({ length: count }, (_, index) => ({
    ...jwk,
    kid: `${index}`,
    use: 'jwt-svid',
  }))
  return JSON.stringify({ keys })
}

function certificates(count: number): string {
  const { keys } = JSON.parse(bundleOf([partner]).stringify()) as { keys: object[] }
  return JSON.stringify({ keys: Array.from({ length: count }, () => keys[0]) })
}

describe('a large bundle', () => {
  test.each([
    ['10,000 keys', () => jwtKeys(10_000)],
    ['1,001 keys', () => jwtKeys(1001)],
    ['a million lists', () => `{"keys":[],"x":[${'[],'.repeat(1_000_000)}[]]}`],
  ])('of %s is refused, and what is held stays', async (_what, make) => {
    await using federation = await following()
    const held = federation.bundles
    endpoint.send(make())
    const { lastFailure, x509Authorities } = await federation.refresh(PARTNER)
    expect([lastFailure?.code, x509Authorities]).toEqual(['invalid-bundle', 1])
    expect(federation.bundles).toBe(held)
  })

  test('is read with a pause after each slice, and one of the same octets not again', async () => {
    let [now, pauses] = [0, 0]
    const pause = async (): Promise<void> => {
      pauses++
    }
    // By this clock each step takes as long as a slice may.
    const turns = new Turns({ now: () => now++, pause })
    const held = new HeldBundle(partner.trustDomain, turns, new BundleBudget(2 ** 30))
    const body = Buffer.from(certificates(1000))
    const fetched = { type: 'body', body, validator: undefined } as const
    expect((await held.read(fetched))()).toBe(true)
    expect(held.bundle?.x509.authorities).toHaveLength(1)
    const first = pauses
    expect(first).toBeGreaterThan(2000)
    expect((await held.read(fetched))()).toBe(false)
    expect(pauses).toBe(first)
  })
})

describe('maxTotalBytes', () => {
  test('keeps what is held when a larger one does not fit, and says so', async () => {
    const events = record('federation:failed')
    await using federation = await following({ maxTotalBytes: 50_000 })
    const [held, bytes] = [federation.bundles, federation.totalBytes]
    expect(bytes).toBeGreaterThan(500)
    endpoint.send(jwtKeys(500))
    const { lastFailure } = await federation.refresh(PARTNER)
    expect(lastFailure?.code).toBe('total-too-large')
    expect([federation.bundles, federation.totalBytes]).toEqual([held, bytes])
    expect(federation.bundles).toBe(held)
    expect(events.stop()).toMatchObject([{ trustDomain: PARTNER, code: 'total-too-large' }])
    endpoint.send('{"keys":[]}')
    expect(await federation.refresh(PARTNER)).toMatchObject({ failures: 0, x509Authorities: 0 })
    await federation.unfollow(PARTNER)
    expect(federation.totalBytes).toBe(0)
  })

  test.each([1023, 2 ** 32 + 1, 1.5, '1'])('is not %p', async (maxTotalBytes) => {
    const options = { maxTotalBytes } as Partial<FederationOptions>
    await expect(following(options)).rejects.toMatchObject({ code: 'invalid-option' })
  })
})
