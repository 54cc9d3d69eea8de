import { describe, expect, test } from '@jest/globals'
import { type InvalidationMessage, signMessage, verifyMessage } from './message.ts'

const KEY = { secret: 'a secret of sixteen or more characters', bus: 'orders:invalidations' }
const INVALIDATION: InvalidationMessage = {
  kind: 'invalidation',
  sender: 'a',
  count: 1000,
  scope: 'example.org/acme',
}
const SYNC: InvalidationMessage = {
  kind: 'sync',
  sender: 'a',
  count: 1000,
  beat: 7,
  sentAt: 1_700_000_000_000,
  policy: { epoch: 0, digest: 'd', version: 'v1' },
}
const signed = signMessage(INVALIDATION, KEY)
/** What nobody would write, signed all the same. */
const signRaw = (message: unknown): string => signMessage(message as InvalidationMessage, KEY)

describe('a message', () => {
  test.each([INVALIDATION, SYNC, { kind: 'end', sender: 'a', count: 0 } as const])(
    'of the kind $kind is read by whoever knows the secret',
    (message) => {
      expect(verifyMessage(signMessage(message, KEY), KEY)).toEqual(message)
    },
  )

  test.each([
    ['another secret', { ...KEY, secret: `${KEY.secret}.` }],
    ['another bus', { ...KEY, bus: 'bills:invalidations' }],
    ['a bus whose name begins alike', { ...KEY, bus: 'orders:invalidations2' }],
  ])('that was signed with %s is none', (_, key) => {
    expect(verifyMessage(signed, key)).toBeNull()
  })

  test('about a tenant has no policy', () => {
    expect(JSON.parse(signed.slice(signed.indexOf('{')))).toEqual(INVALIDATION)
  })

  test.each([
    ['another scope', signed.replace('acme', 'acmf')],
    ['another count', signed.replace('1000', '1001')],
    ['another kind', signed.replace('invalidation', 'end')],
    ['another signature', `-${signed.slice(1)}`],
    ['a short signature', signed.slice(1)],
    ['no signature', JSON.stringify(INVALIDATION)],
    ['no body', signed.slice(0, 44)],
    ['nothing', ''],
    ['more than 4096 characters', signRaw({ ...INVALIDATION, scope: 'a'.repeat(4096) })],
    ['an unknown kind', signRaw({ ...INVALIDATION, kind: 'command' })],
    ['no sender', signRaw({ ...INVALIDATION, sender: '' })],
    ['a count that is a text', signRaw({ ...INVALIDATION, count: '1' })],
    ['a negative count', signRaw({ ...INVALIDATION, count: -1 })],
    ['a count beyond all numbers', signRaw({ ...INVALIDATION, count: 2 ** 53 })],
    ['no scope', signRaw({ ...INVALIDATION, scope: undefined })],
    ['no policy', signRaw({ ...SYNC, policy: null })],
    ['a policy without a digest', signRaw({ ...SYNC, policy: { epoch: 0, version: 'v1' } })],
    ['a number', signRaw(7)],
    ['null', signRaw(null)],
  ])('with %s is none', (_, text) => {
    expect(verifyMessage(text, KEY)).toBeNull()
  })
})
