import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from '../errors.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { authorityNamed, jwtJwk, x509Jwk } from './bundle.test.support.ts'
import { Bundle } from './bundle.ts'

const domain = TrustDomain.parse('example.org')
const [certified, signing] = [x509Jwk(authorityNamed('a')), jwtJwk('1')]

const textOf = (...keys: readonly unknown[]): Buffer => Buffer.from(JSON.stringify({ keys }))

/** Reads with a clock by which each step takes as long as a slice may. */
async function readCounting(input: Buffer): Promise<{ result: unknown; pauses: number }> {
  let [now, pauses] = [0, 0]
  const pause = async (): Promise<void> => {
    pauses++
  }
  const result = await Bundle.parseInSlices(domain, input, { now: () => now++, pause }).catch(
    (error: unknown) => error,
  )
  return { result, pauses }
}

describe('read in slices,', () => {
  test('a bundle is the same as read at once', async () => {
    const witness = { kty: 'EC', use: 'wit-svid', kid: 'w' }
    const text = Buffer.from(
      `{"keys":${JSON.stringify([certified, signing, witness, {}])},"spiffe_sequence":18446744073709551616,"spiffe_refresh_hint":60}`,
    )
    const [read, whole] = [await Bundle.parseInSlices(domain, text), Bundle.parse(domain, text)]
    expect(read.equals(whole)).toBe(true)
    expect(read.sequence).toBe(18446744073709551616n)
    expect(read.ignored).toEqual(whole.ignored)
    expect(await read.stringifyInSlices()).toBe(whole.stringify())
  })

  test.each([
    ['what is no object', '[]'],
    ['what is no JSON', '{"keys":[}'],
    ['what is not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['a member that occurs twice', '{"keys":[],"keys":[]}'],
    ['two keys with one kid', textOf(signing, jwtJwk('1', {}, 'P-256/two'))],
    ['a sequence below zero', '{"keys":[],"spiffe_sequence":-1}'],
  ])('%s is refused as at once', async (_what, input) => {
    const errors: unknown[] = [
      await Bundle.parseInSlices(domain, input).catch((error: unknown) => error),
    ]
    try {
      Bundle.parse(domain, input)
    } catch (error) {
      errors.push(error)
    }
    const [one, other] = errors
    expect(one).toBeInstanceOf(SpiffeError)
    expect(one).toMatchObject({ code: 'invalid-bundle' })
    expect(String(other)).toBe(String(one))
  })

  test('each key is a step of its own', async () => {
    const keys = Array.from({ length: 1000 }, (_, index) => ({ ...signing, kid: `${index}` }))
    const { result, pauses } = await readCounting(textOf(...keys))
    expect(result).toBeInstanceOf(Bundle)
    // Each is read as JSON, and as a key.
    expect(pauses).toBeGreaterThan(2000)
  })

  test('characters of several octets may lie across two steps', async () => {
    const text = `{"keys":[{"x":"${'é'.repeat(20_000)}"},${'{"x":"' + '€'.repeat(20_000) + '"},'.repeat(1)}{"x":"${'😀'.repeat(20_000)}"}]}`
    for (const blanks of ['', ' ', '  ', '   ']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const bundle = await Bundle.parseInSlices(domain, Buffer.from(blanks + text))
      expect(bundle.ignored).toHaveLength(3)
    }
  })

  test.each([
    ['ten thousand keys', textOf(...Array.from({ length: 10_000 }, () => signing))],
    ['a thousand keys and one', textOf(...Array.from({ length: 1001 }, () => ({})))],
    ['a key of 64 KiB', textOf({ x: 'x'.repeat(64 * 1024) })],
    [
      'ten thousand members beside the keys',
      Buffer.from(
        `{"keys":[]${Array.from({ length: 10_000 }, (_, index) => `,"${index}":1`).join('')}}`,
      ),
    ],
    ['a million empty lists', Buffer.from(`{"keys":[],"x":[${'[],'.repeat(1_000_000)}[]]}`)],
    ['four million digits', Buffer.from(`{"keys":[],"x":${'1'.repeat(4_000_000)}}`)],
  ])('%s are refused before they are read', async (_what, input) => {
    const { result, pauses } = await readCounting(input)
    expect(result).toMatchObject({ code: 'invalid-bundle' })
    // What was decoded, scanned and split; no key was read.
    expect(pauses).toBeLessThan(1200)
  })

  test('written, each authority is a step of its own', async () => {
    const keys = Array.from({ length: 500 }, (_, index) => ({ ...signing, kid: `${index}` }))
    const bundle = Bundle.parse(domain, textOf(...keys))
    let [now, pauses] = [0, 0]
    const pause = async (): Promise<void> => {
      pauses++
    }
    const text = await bundle.stringifyInSlices({ now: () => now++, pause })
    expect(pauses).toBe(500)
    expect(text).toBe(bundle.stringify())
  })
})
